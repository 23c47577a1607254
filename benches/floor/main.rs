//! The floor: the least that a server can do for the traffic of Ringpost's devices and of its load generator. One thread, TLS, no
//! accounts, no store. `docs/performance.md` says what it is compared with.
//!
//! `cargo bench --bench ringpost-floor -- serve --data DIR` prints a line when it is ready, as the server does, and serves
//! until it is ended; `ringpost-sim load` takes the `bootstrap.json` in DIR.

#[path = "../../server/allocator.rs"]
mod allocator;
mod beat;
mod buffers;
mod door;
mod epoll;
mod floor;
mod readiness;
mod records;
mod ring;
mod session;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use self::beat::Beat;
use self::floor::Floor;
use self::ring::Hearing;
use self::session::Keeping;

#[derive(Debug, Parser)]
#[command(name = "ringpost-floor")]
struct Arguments {
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until the process is ended
    Serve(Serve),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// Where bootstrap.json and the certificate are kept
    #[arg(long)]
    data: PathBuf,
    /// How the kernel is asked
    #[arg(long, value_enum, default_value = "epoll")]
    by: By,
    /// How TLS is kept after the handshake
    #[arg(long, value_enum, default_value = "rustls")]
    tls: Keeping,
    /// Pushes a second to the devices in turn, without HTTP
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=200_000))]
    self_push: u32,
    /// Bytes of text in these
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=3072))]
    size: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// epoll, one system call for each read and each send
    Epoll,
    /// io_uring, with reads that stay
    Ring,
    /// io_uring, with polls that stay: the least memory in the kernel
    RingPoll,
}

fn main() -> ExitCode {
    // As the server does: memory is compared.
    allocator::tune();
    server::preflight::take_small_pages();
    let Some(Command::Serve(serve)) = Arguments::parse().command else {
        println!("ringpost-floor measures nothing by itself: benches/targets.py runs it");
        return ExitCode::SUCCESS;
    };
    match run(&serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringpost-floor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(serve: &Serve) -> Result<(), Box<dyn std::error::Error>> {
    let ready = readiness::prepare(&serve.data)?;
    let floor = Floor::new(ready.tls, serve.tls);
    let beat = Beat::new(serve.self_push, serve.size as usize);
    println!("{}", ready.line);
    let (devices, doors) = (&ready.devices, &ready.doors);
    match serve.by {
        By::Epoll => epoll::run(floor, devices, doors, beat)?,
        By::Ring => ring::run(floor, devices, doors, beat, Hearing::Recv)?,
        By::RingPoll => ring::run(floor, devices, doors, beat, Hearing::Poll)?,
    }
    Ok(())
}
