//! People for whom it was decided by other products than those that count now.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::Row as _;

use super::backend::SqlStore;
use super::inbox::unpark_one;
use super::subscriptions::{Decided, decide, snapshot_columns, snapshot_from};
use crate::polar::{Products, Snapshot, best};
use crate::store::alignment::{Aligned, Alignment};
use crate::store::{Origin, StoreError};

/// How many people are compared at once.
const PAGE: i64 = 500;

statements! {
    STANDINGS = "
select who.subject, p.status, p.plan, p.current_period_end, p.subscription_id
from (
    select distinct external_id as subject from polar_customer
    where external_id > $1 order by external_id limit $2
) who
left join subscriptions p on p.workos_user_id = who.subject
order by who.subject";

    SNAPSHOTS_UP_TO = concat!("
select c.external_id as subject, ", snapshot_columns!(), " from polar_subscription s
join polar_customer c on c.id = s.customer_id
where c.external_id > $1 and c.external_id <= $2");

    PARKED_SNAPSHOTS = concat!("
select e.id as event_id, ", snapshot_columns!(), " from polar_subscription s
join inbox_event e on e.subscription_id = s.id
where e.state = 'parked'");
}

/// How a person stands, and how it would be decided now.
struct Standing {
    subject: String,
    before: Option<Decided>,
    after: Option<Decided>,
}

impl Standing {
    fn is_in_line(&self) -> bool {
        match &self.after {
            Some(_) => self.before == self.after,
            None => self
                .before
                .as_ref()
                .is_none_or(|row| row.subscription_id.is_none()),
        }
    }
}

impl SqlStore {
    /// The next people by name.
    async fn decisions_after(
        &self,
        after: &str,
        products: &Products,
    ) -> Result<Vec<Standing>, StoreError> {
        let people = sqlx::query(STANDINGS)
            .bind(after)
            .bind(PAGE)
            .fetch_all(self.reader())
            .await?;
        let mut page = people
            .iter()
            .map(|row| {
                let status: Option<String> = row.try_get("status")?;
                let before = status.map(|status| Decided::from_row(row, status));
                Ok(Standing {
                    subject: row.try_get("subject")?,
                    before: before.transpose()?,
                    after: None,
                })
            })
            .collect::<Result<Vec<Standing>, sqlx::Error>>()?;
        let Some(last) = page.last() else {
            return Ok(page);
        };
        let rows = sqlx::query(SNAPSHOTS_UP_TO)
            .bind(after)
            .bind(&last.subject)
            .fetch_all(self.reader())
            .await?;
        let mut told: BTreeMap<String, Vec<Snapshot>> = BTreeMap::new();
        for row in &rows {
            let of = told.entry(row.try_get("subject")?).or_default();
            of.push(snapshot_from(row)?);
        }
        for person in &mut page {
            let snapshots = told.get(&person.subject).into_iter().flatten();
            person.after = best(snapshots, products).map(Decided::by);
        }
        Ok(page)
    }

    /// Parked events with what is known of their subscriptions.
    async fn parked_snapshots(&self) -> Result<Vec<(String, Snapshot)>, StoreError> {
        let rows = sqlx::query(PARKED_SNAPSHOTS)
            .fetch_all(self.reader())
            .await?;
        let read = rows
            .iter()
            .map(|row| Ok((row.try_get("event_id")?, snapshot_from(row)?)))
            .collect::<Result<_, sqlx::Error>>()?;
        Ok(read)
    }
}

#[async_trait]
impl Alignment for SqlStore {
    async fn align_people(
        &self,
        products: &Products,
        origin: &Origin,
    ) -> Result<Aligned, StoreError> {
        let mut aligned = Aligned::default();
        let mut after = String::new();
        loop {
            let page = self.decisions_after(&after, products).await?;
            let Some(last) = page.last() else { break };
            last.subject.clone_into(&mut after);
            for other in page.iter().filter(|person| !person.is_in_line()) {
                let mut change = self.write().await?;
                decide(&mut change, &other.subject, products, origin).await?;
                change.commit().await?;
                aligned.people += 1;
            }
        }
        for (event, told) in self.parked_snapshots().await? {
            if products.include(&told) {
                continue;
            }
            let mut change = self.write().await?;
            aligned.unparked += unpark_one(&mut change, &event, origin.at).await?;
            change.commit().await?;
        }
        Ok(aligned)
    }
}
