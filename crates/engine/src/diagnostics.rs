//! What a person may send to whoever helps them: how things are, without secrets, names of notes or
//! an address. Packed without compression, so that it can be looked through before it is sent.

use std::io::{self, Write};

use serde::Serialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::View;
use crate::settings::Settings;
use crate::view::{AccountView, Finding};

const READ_ME: &str = "\
What Basic Memory Cloud knows about itself on this computer, as you would see it in its window.
It holds no keys, no tokens, no note and no note's name; folders and the server's address are in it.

findings.json   what `bm-cloud doctor` found
view.json       how things are: versions, folders, last runs
settings.json   what was chosen
";

pub(crate) fn pack(view: View, settings: &Settings, findings: &[Finding]) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(io::Cursor::new(Vec::new()));
    let mut add = |name: &str, text: &[u8]| -> io::Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        archive
            .start_file(name, options)
            .map_err(io::Error::other)?;
        archive.write_all(text)
    };
    add("README.txt", READ_ME.as_bytes())?;
    add("findings.json", &json(&findings)?)?;
    add("view.json", &json(&without_notes(view))?)?;
    add("settings.json", &json(settings)?)?;
    let packed = archive.finish().map_err(io::Error::other)?;
    Ok(packed.into_inner())
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(value)?)
}

/// Counts stay, names go.
fn without_notes(mut view: View) -> View {
    view.conflicts.clear();
    view.problems.clear();
    view.activity.clear();
    view.account = match view.account {
        AccountView::SignedIn {
            server_url,
            user_id,
            email: _,
            cloud_mode,
            keep,
        } => AccountView::SignedIn {
            server_url,
            user_id,
            email: None,
            cloud_mode,
            keep,
        },
        AccountView::AwaitingBrowser { server_url, .. } => AccountView::SigningIn { server_url },
        other @ (AccountView::SignedOut { .. } | AccountView::SigningIn { .. }) => other,
    };
    for pair in &mut view.pairs {
        pair.preview = None;
        pair.running = None;
    }
    view
}
