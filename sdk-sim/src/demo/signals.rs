//! SIGINT and SIGTERM as news.
//!
//! Owner: one thread, which lives as long as the process. Always: from its start on a signal no
//! longer ends the process by itself, so that the server is ended and the folder removed.

use std::sync::mpsc::SyncSender;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::fault::Fault;
use super::news::News;

pub(super) fn listen(news: SyncSender<News>) -> Result<(), Fault> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Fault::io("signals"))?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt()).map_err(Fault::io("signals"))?,
            signal(SignalKind::terminate()).map_err(Fault::io("signals"))?,
        )
    };
    thread::Builder::new()
        .name("demo-signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    // The demo may be past its end.
                    let _ = news.send(News::Interrupted);
                }
            });
        })
        .map_err(Fault::io("signals"))?;
    Ok(())
}
