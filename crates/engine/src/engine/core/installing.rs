//! Getting rclone by the machine's own means, after a person agreed.

use super::{Answer, Core, Input};
use crate::view::InstallWayView;
use crate::{Refusal, Reply};

impl Core {
    pub(super) fn list_install_ways(&self, answer: Answer) {
        let path = self.config.path_variable.clone();
        self.beside(answer, async move {
            let machine = rclone::Machine::look(path.as_deref()).await;
            let ways = rclone::ladder(&machine).iter().map(view).collect();
            Ok(Reply::InstallWays { ways })
        });
    }

    pub(super) fn install_with(&mut self, way: &str, answer: Answer) {
        let refused = || {
            Refusal::new("no_such_way", "This machine has no such way to get rclone")
                .field("way")
                .hint("The list of ways shows what it has.")
        };
        let Some(way) = rclone::Way::named(way) else {
            return self.reply(answer, Err(refused()));
        };
        if way == rclone::Way::Private {
            self.install_rclone();
            return self.reply(answer, Ok(Reply::Done));
        }
        let (config, inputs) = (self.config.clone(), self.inputs.clone());
        self.beside(answer, async move {
            let path = config.path_variable.as_deref();
            let machine = rclone::Machine::look(path).await;
            let rungs = rclone::ladder(&machine);
            let rung = rungs
                .iter()
                .find(|rung| rung.way == way)
                .ok_or_else(refused)?;
            let own = config.places.own_rclone();
            let search = rclone::candidates(config.rclone.as_deref(), &own, path);
            let binary = rclone::climb(rung, &search).await.map_err(|error| {
                Refusal::new(error.code(), error.to_string()).hint(error.hint())
            })?;
            if inputs.send(Input::Rclone(Ok(binary))).await.is_err() {
                tracing::debug!("the engine stopped after an installation");
            }
            Ok(Reply::Done)
        });
    }
}

fn view(rung: &rclone::Candidate) -> InstallWayView {
    InstallWayView {
        way: rung.way.name().to_owned(),
        command: rung.command.join(" "),
        administrator: match rung.rights {
            rclone::Rights::Administrator => true,
            rclone::Rights::Own => false,
        },
    }
}
