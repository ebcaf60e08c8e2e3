//! A bar or spinner on a terminal; nothing elsewhere.

use std::time::Duration;

use engine::view::ProgressView;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{Output, Screen};

const TICK: Duration = Duration::from_millis(120);

/// Shows that something goes on; disappears with the value.
#[must_use]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(output: &Output, words: &str) -> Self {
        let bar = match output.screen() {
            Screen::Terminal => ProgressBar::new_spinner(),
            Screen::File => ProgressBar::hidden(),
        };
        bar.set_style(style("{spinner} {msg}"));
        bar.set_message(words.to_owned());
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    pub(crate) fn show(&self, progress: Option<&ProgressView>) {
        let Some(progress) = progress else { return };
        self.0.set_message(words(&progress.phase).to_owned());
        if progress.total > 0 {
            self.0
                .set_style(style("{spinner} {msg} [{bar:30}] {pos} of {len}"));
            self.0.set_length(progress.total);
            self.0.set_position(progress.done.min(progress.total));
        } else {
            self.0.set_style(style("{spinner} {msg}"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("our own templates are well formed")
}

fn words(phase: &str) -> &'static str {
    match phase {
        "verify" => "Comparing",
        "refresh" => "Reading the folder",
        "bisync" => "Carrying changes",
        "apply" => "Writing notes",
        "publish" => "Finishing",
        _ => "Working",
    }
}
