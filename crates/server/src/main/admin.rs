//! `bm-server admin`: tenants of a deployment, changed directly in its database.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use server::{OldVersions, TenantAdmin};
use wire::{TenantIn, TenantOut};

use super::{ConfigFile, say, settings};

#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Makes, shows and removes tenants. Servers carry out the work the next time they look.
    #[command(subcommand)]
    Tenant(TenantCommand),
}

#[derive(Subcommand)]
pub(crate) enum TenantCommand {
    /// Makes a tenant for a person; somebody who has one keeps it.
    Create {
        /// The person's id at the sign-in provider.
        workos_user_id: String,
        #[arg(long)]
        email: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Lists tenants in the order of their ids.
    List {
        /// Starts behind this tenant.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        #[arg(long, value_name = "N", default_value_t = 50,
              value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Shows a tenant, and all that was done for it.
    Show {
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Ends all access to a tenant and removes what it has; the bucket is kept for a while.
    Delete {
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Has versions removed now that were replaced or deleted long ago, as happens every day.
    Sweep {
        id: String,
        /// Only says what would go.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Provisions a tenant again, or tries again now.
    Provision {
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Which deployment, and how to answer.
#[derive(Args)]
pub(crate) struct Place {
    /// State folder of a development server; without it, the configuration says where.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
    /// Answers as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: AdminCommand) -> anyhow::Result<()> {
    let AdminCommand::Tenant(command) = command;
    match command {
        TenantCommand::Create {
            workos_user_id,
            email,
            place,
        } => {
            let owner = TenantIn {
                workos_user_id,
                email,
            };
            let admin = open(&place).await?;
            let tenant = admin.create(&owner).await?;
            admin.close().await;
            answer(&place, &tenant, &one_line(&tenant))
        }
        TenantCommand::List {
            after,
            limit,
            place,
        } => {
            let admin = open(&place).await?;
            let page = admin.page(after.as_deref(), limit).await?;
            admin.close().await;
            let mut lines: Vec<String> = page.tenants.iter().map(one_line).collect();
            if let Some(next) = &page.next {
                lines.push(format!("more with --after {next}"));
            }
            answer(&place, &page, &lines.join("\n"))
        }
        TenantCommand::Show { id, place } => {
            let admin = open(&place).await?;
            let detail = admin.show(&id).await?;
            admin.close().await;
            let mut lines = described(&detail.tenant);
            for step in &detail.steps {
                let at = step.at.as_deref().unwrap_or_default();
                let error = step.error.as_deref().unwrap_or_default();
                let (event, name, attempt) = (&step.event, &step.step, step.attempt);
                let line = format!("  {at}  {event:<10} {name:<14} #{attempt}  {error}");
                lines.push(line.trim_end().to_owned());
            }
            answer(&place, &detail, &lines.join("\n"))
        }
        TenantCommand::Delete { id, place } => {
            let admin = open(&place).await?;
            let tenant = admin.delete(&id).await?;
            admin.close().await;
            answer(&place, &tenant, &one_line(&tenant))
        }
        TenantCommand::Sweep {
            id,
            dry_run: true,
            place,
        } => {
            let admin = open(&place).await?;
            let old = admin.old_versions(&id).await?;
            admin.close().await;
            answer(&place, &old, &would_go(&old))
        }
        TenantCommand::Sweep {
            id,
            dry_run: false,
            place,
        } => {
            let admin = open(&place).await?;
            let tenant = admin.sweep(&id).await?;
            admin.close().await;
            answer(&place, &tenant, &one_line(&tenant))
        }
        TenantCommand::Provision { id, place } => {
            let admin = open(&place).await?;
            let tenant = admin.provision(&id).await?;
            admin.close().await;
            answer(&place, &tenant, &one_line(&tenant))
        }
    }
}

async fn open(place: &Place) -> anyhow::Result<TenantAdmin> {
    let clock = server::system_clock();
    let opened = match &place.state {
        Some(folder) => TenantAdmin::of_folder(folder, clock).await,
        None => TenantAdmin::of_settings(&settings(&place.config)?, clock).await,
    };
    opened.context("could not open the database")
}

fn answer(place: &Place, value: &impl Serialize, text: &str) -> anyhow::Result<()> {
    if place.json {
        return say(&serde_json::to_string(value).context("could not answer")?);
    }
    say(text)
}

fn one_line(tenant: &TenantOut) -> String {
    let who = tenant.email.as_deref().unwrap_or(&tenant.workos_user_id);
    let (id, status, bucket) = (&tenant.tenant_id, &tenant.status, &tenant.bucket_name);
    format!("{id}  {status:<12}  {bucket}  {who}")
}

fn would_go(old: &OldVersions) -> String {
    let OldVersions {
        tenant_id,
        bucket_name,
        listed,
        removable,
        removable_bytes,
        snapshots,
    } = old;
    format!(
        "{tenant_id}  {bucket_name}  {removable} of {listed} versions would go, \
         {removable_bytes} bytes; {snapshots} snapshots keep theirs"
    )
}

fn described(tenant: &TenantOut) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            lines.push(format!("{name:<10} {value}"));
        }
    };
    line("tenant", Some(&tenant.tenant_id));
    line("status", Some(&tenant.status));
    line("owner", Some(&tenant.workos_user_id));
    line("email", tenant.email.as_deref());
    line("bucket", Some(&tenant.bucket_name));
    line("created", tenant.created_at.as_deref());
    line("ready", tenant.ready_at.as_deref());
    line("deleted", tenant.deleted_at.as_deref());
    line("purge", tenant.purge_at.as_deref());
    if let Some(instance) = &tenant.instance {
        line(
            "instance",
            Some(&format!("{} ({})", instance.address, instance.state)),
        );
    }
    if let Some(work) = &tenant.work {
        line(
            "work",
            Some(&format!("{} {} at {}", work.kind, work.status, work.step)),
        );
        line("error", work.error.as_deref());
    }
    lines
}
