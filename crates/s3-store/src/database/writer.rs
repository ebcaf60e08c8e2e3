use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ffi};

/// What follows once a change is durable, in the order of the changes.
pub(crate) type Effect = Box<dyn FnOnce() + Send>;

/// For changes that nobody hears of.
pub(crate) fn no_effect() -> Effect {
    Box::new(|| {})
}

/// How long a commit waits for changes that already arrived.
const GATHER: Duration = Duration::from_millis(2);
const FAILURES_KEPT: usize = 1024;

/// The only connection that writes.
///
/// Changes are decided one after the other, each in a savepoint, but those that arrive together share one commit and
/// so one flush of the disk. Nobody gets an answer, not even a refusal, before what it was decided on is durable.
pub(crate) struct Writer {
    group: Mutex<Group>,
    arriving: AtomicUsize,
    all_joined: Condvar,
    committer: Mutex<()>,
}

struct Group {
    connection: Connection,
    /// Number of the group that is open or will be next.
    number: u64,
    members: Vec<Effect>,
    failed: Vec<u64>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn new(connection: Connection) -> Self {
        let group = Group {
            connection,
            number: 0,
            members: Vec::new(),
            failed: Vec::new(),
        };
        Self {
            group: Mutex::new(group),
            arriving: AtomicUsize::new(0),
            all_joined: Condvar::new(),
            committer: Mutex::new(()),
        }
    }

    /// Runs `change` atomically and returns once it is durable; its effect has run by then.
    pub(crate) fn write<T, E: From<rusqlite::Error>>(
        &self,
        change: impl FnOnce(&Connection) -> Result<(T, Effect), E>,
    ) -> Result<T, E> {
        let (result, number) = {
            let arrival = Arrival::new(self);
            let mut group = self.lock();
            let number = group.number;
            let result = group.join(change);
            drop(group);
            drop(arrival);
            (result, number)
        };
        let settled = self.settle(number);
        let value = result?;
        settled?;
        Ok(value)
    }

    /// Returns when the group is over; the first to come commits it.
    fn settle(&self, number: u64) -> Result<(), rusqlite::Error> {
        let turn = self
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut group = self.lock();
        if group.number == number && !group.members.is_empty() {
            let waiting = |_: &mut Group| self.arriving.load(Ordering::Acquire) > 0;
            let gathered = self.all_joined.wait_timeout_while(group, GATHER, waiting);
            group = gathered.unwrap_or_else(PoisonError::into_inner).0;
            if group.number == number {
                group.commit();
            }
        }
        let failed = group.failed.contains(&number);
        drop(group);
        drop(turn);
        if failed { Err(not_committed()) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    fn join<T, E: From<rusqlite::Error>>(
        &mut self,
        change: impl FnOnce(&Connection) -> Result<(T, Effect), E>,
    ) -> Result<T, E> {
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        let result = self.attempt(change);
        // Some errors, a full disk for one, end the whole transaction.
        if self.connection.is_autocommit() {
            if !self.members.is_empty() {
                self.end(Outcome::Failed);
            }
        } else if self.members.is_empty() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        result
    }

    fn attempt<T, E: From<rusqlite::Error>>(
        &mut self,
        change: impl FnOnce(&Connection) -> Result<(T, Effect), E>,
    ) -> Result<T, E> {
        let savepoint = self.connection.savepoint()?;
        let (value, effect) = change(&savepoint)?;
        savepoint.commit()?;
        self.members.push(effect);
        Ok(value)
    }

    fn commit(&mut self) {
        match self.connection.execute_batch("COMMIT") {
            Ok(()) => self.end(Outcome::Durable),
            Err(error) => {
                tracing::error!(%error, "could not commit");
                if !self.connection.is_autocommit()
                    && let Err(error) = self.connection.execute_batch("ROLLBACK")
                {
                    tracing::error!(%error, "could not roll back");
                }
                self.end(Outcome::Failed);
            }
        }
    }

    fn end(&mut self, outcome: Outcome) {
        let members = std::mem::take(&mut self.members);
        match outcome {
            Outcome::Durable => members.into_iter().for_each(|effect| effect()),
            Outcome::Failed => {
                let surplus = (self.failed.len() + 1).saturating_sub(FAILURES_KEPT);
                self.failed.drain(..surplus);
                self.failed.push(self.number);
            }
        }
        self.number += 1;
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Durable,
    Failed,
}

/// A change that waits to join a group.
struct Arrival<'w> {
    writer: &'w Writer,
}

impl<'w> Arrival<'w> {
    fn new(writer: &'w Writer) -> Self {
        writer.arriving.fetch_add(1, Ordering::AcqRel);
        Self { writer }
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        if self.writer.arriving.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.writer.all_joined.notify_all();
        }
    }
}

fn not_committed() -> rusqlite::Error {
    let message = "the transaction could not be committed".to_owned();
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), Some(message))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use super::*;

    fn writer() -> Arc<Writer> {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")
            .unwrap();
        Arc::new(Writer::new(connection))
    }

    fn insert(writer: &Writer, n: i64, effect: Effect) -> Result<(), rusqlite::Error> {
        writer.write(|connection| {
            connection.execute("INSERT INTO t VALUES (?1)", [n])?;
            Ok(((), effect))
        })
    }

    fn sum(writer: &Writer) -> i64 {
        let group = writer.lock();
        group
            .connection
            .query_row("SELECT coalesce(sum(n), 0) FROM t", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn changes_that_share_a_commit_stand_or_fall_alone() {
        let writer = writer();
        let told = Arc::new(AtomicI64::new(0));
        std::thread::scope(|scope| {
            for n in (1..=40_i64).flat_map(|n| [n, n]) {
                let (writer, told) = (Arc::clone(&writer), Arc::clone(&told));
                scope.spawn(move || {
                    let effect = Box::new(move || {
                        told.fetch_add(n, Ordering::Relaxed);
                    });
                    drop(insert(&writer, n, effect));
                });
            }
        });
        let expected = (1..=40).sum::<i64>();
        assert_eq!(
            (sum(&writer), told.load(Ordering::Relaxed)),
            (expected, expected)
        );
    }

    #[test]
    fn a_refused_change_leaves_nothing_and_says_nothing() {
        let writer = writer();
        insert(&writer, 1, no_effect()).unwrap();
        let refused: Result<(), rusqlite::Error> = writer.write(|connection| {
            connection.execute("INSERT INTO t VALUES (2)", [])?;
            Err(rusqlite::Error::InvalidQuery)
        });
        assert!(refused.is_err());
        assert!(insert(&writer, 1, Box::new(|| panic!("told of a refused change"))).is_err());
        insert(&writer, 3, no_effect()).unwrap();
        assert_eq!(sum(&writer), 4);
    }

    #[test]
    fn members_of_a_batch_that_the_database_ended_are_told_so() {
        let writer = writer();
        let mut group = writer.lock();
        let number = group.number;
        let effect: Effect = Box::new(|| panic!("told of a lost change"));
        group
            .join(|connection| {
                connection.execute("INSERT INTO t VALUES (1)", [])?;
                Ok::<_, rusqlite::Error>(((), effect))
            })
            .unwrap();
        let ended: Result<(), rusqlite::Error> = group.join(|connection| {
            connection.execute_batch("ROLLBACK")?;
            Err(rusqlite::Error::InvalidQuery)
        });
        assert!(ended.is_err());
        drop(group);
        assert!(writer.settle(number).is_err());
        insert(&writer, 5, no_effect()).unwrap();
        assert_eq!(sum(&writer), 5);
    }
}
