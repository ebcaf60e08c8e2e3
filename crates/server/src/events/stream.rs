//! One open stream: what it sends, and when it ends.

use axum::body::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::{ChangeEvent, StreamPosition};

use std::time::Duration;

use super::frame::Frames;
use super::hub::Place;
use crate::app::App;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::principal::{ActiveMember, TenantScope};
use crate::store::{EventPage, RecordedEvent};

/// How many events are read and sent together.
const PAGE: i64 = 200;
/// How long readers wait before they come again: this, and up to as much more.
const RETRY: Duration = Duration::from_secs(2);
/// While the server cannot look into its database.
const RETRY_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Where a reader wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With what comes from now on.
    Now,
    /// After this number.
    After(i64),
    /// After something that is no number of ours.
    Unknown,
}

/// What a page is to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Wait,
    /// The reader has missed what cannot be replayed; it goes on from `seq`.
    Resync {
        seq: i64,
    },
    Deliver,
}

fn plan(page: &EventPage, position: i64, max_behind: i64) -> Plan {
    let (head, floor) = (page.head, page.floor);
    if position < floor || position > head || head - position > max_behind {
        Plan::Resync { seq: head }
    } else if page.events.is_empty() {
        Plan::Wait
    } else {
        Plan::Deliver
    }
}

/// A stream that is being sent.
pub(crate) struct Live {
    app: App,
    member: ActiveMember,
    tenant: TenantScope,
    place: Place,
    draining: CancellationToken,
    beat_at: Instant,
    ends_at: Instant,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Opening(Start),
    Following {
        position: i64,
        /// The last page was full.
        more: bool,
    },
    Ended,
}

enum Woken {
    News,
    Beat,
    /// The reader is to come again, to this replica or another one.
    Parting,
    Replaced,
}

impl Live {
    pub(crate) fn new(
        app: App,
        member: ActiveMember,
        tenant: TenantScope,
        place: Place,
        start: Start,
    ) -> Self {
        let now = Instant::now();
        let settings = &app.events.settings;
        Self {
            beat_at: now + settings.heartbeat,
            ends_at: now + settings.max_life,
            draining: app.life.draining(),
            phase: Phase::Opening(start),
            app,
            member,
            tenant,
            place,
        }
    }

    /// Gives the next text to send, once there is one; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let frames = match self.phase {
                Phase::Ended => return None,
                Phase::Opening(start) => self.open(start).await,
                Phase::Following { position, more } => match self.wait(more).await {
                    Woken::News => self.look(position, Frames::default()).await,
                    Woken::Beat => {
                        let frames = self.look(position, Frames::default()).await;
                        if frames.is_empty() {
                            frames.beat()
                        } else {
                            frames
                        }
                    }
                    Woken::Parting => self.part(self.retry()),
                    Woken::Replaced => {
                        let ended = serde_json::json!({
                            "error": "replaced",
                            "message": "This device opened another stream.",
                        });
                        self.phase = Phase::Ended;
                        Frames::default().aside("end", &ended)
                    }
                },
            };
            if !frames.is_empty() {
                let heartbeat = self.app.events.settings.heartbeat;
                self.beat_at = Instant::now() + heartbeat;
                return Some(Bytes::from(frames.into_text()));
            }
        }
    }

    async fn wait(&mut self, more: bool) -> Woken {
        tokio::select! {
            biased;
            () = self.draining.cancelled() => Woken::Parting,
            () = self.place.replaced.cancelled() => Woken::Replaced,
            () = tokio::time::sleep_until(self.ends_at) => Woken::Parting,
            () = std::future::ready(()), if more => Woken::News,
            changed = self.place.head.changed() => match changed {
                Ok(()) => Woken::News,
                Err(_) => Woken::Replaced,
            },
            () = tokio::time::sleep_until(self.beat_at) => Woken::Beat,
        }
    }

    async fn open(&mut self, start: Start) -> Frames {
        let frames = Frames::default().retry(self.retry());
        let position = match start {
            Start::After(position) => position,
            Start::Unknown => i64::MAX,
            Start::Now => {
                return match self.read(i64::MAX).await {
                    Ok(page) => {
                        let seq = page.head;
                        self.phase = Phase::Following {
                            position: seq,
                            more: false,
                        };
                        frames.at(seq, "ready", &StreamPosition { seq })
                    }
                    Err(error) => self.refuse(&error),
                };
            }
        };
        self.look(position, frames).await
    }

    /// Reads on from `position`, and adds what the reader is to be told.
    async fn look(&mut self, position: i64, frames: Frames) -> Frames {
        let page = match self.read(position).await {
            Ok(page) => page,
            Err(error) => return self.refuse(&error),
        };
        let mut frames = match self.phase {
            Phase::Opening(_) => frames.aside("ready", &StreamPosition { seq: page.head }),
            Phase::Following { .. } | Phase::Ended => frames,
        };
        let mut reached = position;
        match plan(&page, position, self.app.events.settings.max_behind) {
            Plan::Wait => {}
            Plan::Resync { seq } => {
                reached = seq;
                frames = frames.at(seq, "resync", &StreamPosition { seq });
            }
            Plan::Deliver => {
                for event in &page.events {
                    reached = event.seq;
                    frames = frames.at(event.seq, "change", &shown(event));
                }
            }
        }
        self.phase = Phase::Following {
            position: reached,
            more: reached < page.head,
        };
        frames
    }

    /// Reads the log, and after that whether the reader may still see it.
    async fn read(&self, position: i64) -> Result<EventPage, ApiError> {
        let store = &self.app.store;
        let page = store.events_after(&self.tenant, position, PAGE).await?;
        self.member.reaffirm(&self.app, &self.tenant).await?;
        Ok(page)
    }

    fn refuse(&mut self, error: &ApiError) -> Frames {
        error.log();
        if error.status().is_server_error() {
            return self.part(RETRY_AFTER_FAILURE);
        }
        self.phase = Phase::Ended;
        Frames::default().aside("end", &error.body())
    }

    fn part(&mut self, pause: Duration) -> Frames {
        self.phase = Phase::Ended;
        Frames::default().retry(pause)
    }

    /// Differs from stream to stream, so that not all readers come again at once.
    fn retry(&self) -> Duration {
        let spread = u32::try_from(self.place.id * 619 % 1_000).unwrap_or_default();
        RETRY + RETRY * spread / 1_000
    }
}

fn shown(event: &RecordedEvent) -> ChangeEvent {
    ChangeEvent {
        seq: event.seq,
        kind: event.kind,
        path: event.path.clone(),
        from: event.from.clone(),
        etag: event.etag.clone(),
        size: event.size.and_then(|size| u64::try_from(size).ok()),
        at: rfc3339(event.at).unwrap_or_default(),
        device: event.device.clone(),
    }
}

#[cfg(test)]
mod tests {
    use wire::ChangeKind;

    use super::*;

    #[test]
    fn a_reader_gets_what_follows_or_is_told_to_look() {
        let event = RecordedEvent {
            seq: 8,
            kind: ChangeKind::Put,
            path: "a.md".to_owned(),
            from: None,
            etag: None,
            size: None,
            at: 0,
            device: None,
        };
        let page = |floor, head, events: &[&RecordedEvent]| EventPage {
            head,
            floor,
            events: events.iter().map(|event| (*event).clone()).collect(),
        };
        let resync = |seq| Plan::Resync { seq };
        for (page, position, expected) in [
            (page(0, 0, &[]), 0, Plan::Wait),
            (page(0, 8, &[]), 8, Plan::Wait),
            (page(0, 8, &[&event]), 7, Plan::Deliver),
            (page(7, 8, &[&event]), 7, Plan::Deliver),
            (page(7, 8, &[&event]), 6, resync(8)),
            (page(8, 8, &[]), 8, Plan::Wait),
            (page(0, 8, &[]), 9, resync(8)),
            (page(0, 0, &[]), i64::MAX, resync(0)),
            (page(0, 108, &[&event]), 7, resync(108)),
            (page(0, 107, &[&event]), 7, Plan::Deliver),
        ] {
            assert_eq!(plan(&page, position, 100), expected, "{page:?} {position}");
        }
    }
}
