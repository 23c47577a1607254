//! How far a part of the demo is: a bar on a terminal, plain lines elsewhere.
//!
//! Owner: the main thread. Always: at most one plain line per tenth.

use std::io::{IsTerminal, stdout};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(super) struct Progress {
    label: &'static str,
    total: u64,
    done: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(label: &'static str, total: u64) -> Self {
        let bar = stdout().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stdout());
            if let Ok(style) =
                ProgressStyle::with_template("{msg:16} {wide_bar} {pos}/{len} {per_sec}")
            {
                bar.set_style(style);
            }
            bar.set_message(label);
            bar
        });
        Self {
            label,
            total,
            done: 0,
            bar,
        }
    }

    pub(super) fn step(&mut self) {
        let tenth = |done: u64| done.saturating_mul(10) / self.total.max(1);
        let before = tenth(self.done);
        self.done += 1;
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None if tenth(self.done) > before => {
                println!("{}: {} of {}", self.label, self.done, self.total);
            }
            None => {}
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}
