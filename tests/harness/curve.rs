//! The memory of a process over time, read while a load runs.
//!
//! Always: it is read at a fixed pace from before the load to after its end, so that no rise falls
//! between two readings of a test's own choosing.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::process::rss_kib;

/// Time between two readings.
const PACE: Duration = Duration::from_millis(50);

/// Parts that a curve is told in, on paper.
const PARTS: u32 = 12;

/// Width and height of a drawing, and the room around it, in pixels.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;
const MARGIN: f64 = 48.0;

/// A curve that is being read.
pub struct Reading {
    pid: u32,
    /// Readings between those of the thread.
    extra: Vec<Point>,
    started: Instant,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Point>>,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    at: Duration,
    kib: u64,
}

/// A curve that is complete.
#[derive(Debug)]
pub struct Curve(Vec<Point>);

impl Reading {
    /// Reads the memory of a process from now on.
    pub fn of(pid: u32) -> Reading {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let started = Instant::now();
        let thread = std::thread::spawn(move || {
            let mut points = Vec::new();
            loop {
                let is_last = stopped.load(Ordering::Relaxed);
                points.push(Point {
                    at: started.elapsed(),
                    kib: rss_kib(pid),
                });
                if is_last {
                    return points;
                }
                std::thread::park_timeout(PACE);
            }
        });
        Reading {
            pid,
            extra: Vec::new(),
            started,
            stop,
            thread,
        }
    }

    /// Reads once besides the pace; when that was.
    pub fn read_now(&mut self) -> Duration {
        let at = self.started.elapsed();
        let kib = rss_kib(self.pid);
        self.extra.push(Point { at, kib });
        at
    }

    /// Reads once more, and no further. The process must still run.
    pub fn end(self) -> Curve {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        let mut points = self.thread.join().expect("readings");
        points.extend(self.extra);
        points.sort_by_key(|point| point.at);
        Curve(points)
    }
}

impl Curve {
    /// One that was read elsewhere: when, and how much, in KiB.
    pub fn of_readings(readings: Vec<(Duration, u64)>) -> Curve {
        let points = readings.into_iter().map(|(at, kib)| Point { at, kib });
        Curve(points.collect())
    }

    /// The most memory from `from` to `to`, in KiB; `None` without a reading there.
    pub fn height_kib(&self, from: Duration, to: Duration) -> Option<u64> {
        let inside = |point: &&Point| point.at >= from && point.at <= to;
        let heights = self.0.iter().filter(inside).map(|point| point.kib);
        heights.max()
    }

    /// The most of all readings.
    pub fn top_kib(&self) -> u64 {
        let all = self.height_kib(Duration::ZERO, Duration::MAX);
        all.expect("a curve has readings")
    }

    fn end(&self) -> Duration {
        self.0.last().map_or(Duration::ZERO, |point| point.at)
    }

    /// A table of the highest reading in each part of the time.
    pub fn table(&self) -> String {
        let mut text = String::from("| until, s | most memory, KiB |\n| --- | --- |\n");
        for part in 0..PARTS {
            let (from, to) = (self.end() * part / PARTS, self.end() * (part + 1) / PARTS);
            if let Some(kib) = self.height_kib(from, to) {
                writeln!(text, "| {:.1} | {kib} |", to.as_secs_f64()).expect("to memory");
            }
        }
        text
    }

    /// Every reading as a drawing, from no memory at all upwards.
    pub fn drawing(&self, title: &str) -> String {
        let end = self.end().as_secs_f64().max(f64::MIN_POSITIVE);
        let top = self.top_kib() as f64 * 1.1;
        let mut points = String::new();
        for point in &self.0 {
            let x = MARGIN + WIDTH * point.at.as_secs_f64() / end;
            let y = MARGIN + HEIGHT * (1.0 - point.kib as f64 / top);
            write!(points, "{x:.1},{y:.1} ").expect("to memory");
        }
        let (width, height) = (WIDTH + 2.0 * MARGIN, HEIGHT + 2.0 * MARGIN);
        let (left, right, low) = (MARGIN, MARGIN + WIDTH, MARGIN + HEIGHT);
        let mib = self.top_kib() as f64 / 1024.0;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text x=\"{left}\" y=\"24\">{title}: memory of the server, at most {mib:.1} MiB</text>\n\
             <path d=\"M{left},{MARGIN} V{low} H{right}\" fill=\"none\" stroke=\"#888\"/>\n\
             <text x=\"8\" y=\"{low}\">0 MiB</text>\n\
             <text x=\"{right}\" y=\"{}\" text-anchor=\"end\">{end:.1} s</text>\n\
             <polyline fill=\"none\" stroke=\"#06c\" points=\"{}\"/>\n\
             </svg>\n",
            low + 20.0,
            points.trim_end()
        )
    }

    /// Prints the table, and with a folder writes table and drawing there.
    pub fn show(&self, name: &str, folder: Option<&Path>) {
        println!("{name}\n{}", self.table());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).expect("a folder");
            std::fs::write(folder.join(format!("{name}.md")), self.table()).expect("written");
            let drawing = self.drawing(&name.replace('-', " "));
            std::fs::write(folder.join(format!("{name}.svg")), drawing).expect("written");
        }
    }
}
