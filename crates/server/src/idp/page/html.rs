/// What the consent form shows.
#[derive(Default)]
pub(super) struct Form {
    pub(super) form_token: String,
    pub(super) user_code: String,
    pub(super) email: String,
    pub(super) trouble: Option<Trouble>,
}

/// Why the form is shown once more.
pub(super) enum Trouble {
    Code,
    Email,
    Stale,
    TooMany { retry_after_s: u64 },
}

pub(super) enum Outcome<'a> {
    Approved { email: &'a str },
    Denied,
}

/// What a field says about itself: attributes for the input, and the text below it.
#[derive(Default)]
struct FieldNote {
    attributes: String,
    text: String,
}

impl FieldNote {
    fn wrong(field: &str, text: &str) -> Self {
        Self {
            attributes: format!(
                r#" aria-invalid="true" aria-describedby="{field}-note" autofocus"#
            ),
            text: format!(r#"<p class="wrong" id="{field}-note">{text}</p>"#),
        }
    }
}

pub(super) fn form(form: &Form) -> String {
    let mut code = FieldNote::default();
    let mut email = FieldNote::default();
    let banner = match &form.trouble {
        Some(Trouble::Code) => {
            code = FieldNote::wrong("user-code", "Copy the code from the app that is asking.");
            "That code is not waiting for an answer. It may be mistyped, used, or expired."
                .to_owned()
        }
        Some(Trouble::Email) => {
            email = FieldNote::wrong("email", "For example ana@example.org");
            "That is not an e-mail address.".to_owned()
        }
        Some(Trouble::Stale) => "This page was open for too long. Answer once more.".to_owned(),
        Some(Trouble::TooMany { retry_after_s }) => {
            format!("Too many wrong codes. Wait {retry_after_s} seconds, then answer once more.")
        }
        None => String::new(),
    };
    // Where no field is to blame, keyboards and screen readers begin at the message.
    let focus = match &form.trouble {
        Some(Trouble::Stale | Trouble::TooMany { .. }) => r#" tabindex="-1" autofocus"#,
        Some(Trouble::Code | Trouble::Email) | None => "",
    };
    let (title, banner) = if banner.is_empty() {
        ("Connect an app", String::new())
    } else {
        (
            "Error: Connect an app",
            format!(r#"<p class="banner" role="alert"{focus}>{banner}</p>"#),
        )
    };
    let body = format!(
        r#"<h1>Connect an app</h1>
<p>An app on this computer asks to use your notes in the cloud. Approve only if you started
this yourself and the app shows the same code.</p>
{banner}
<form method="post" action="/idp/device">
<input type="hidden" name="form_token" value="{form_token}">
<label for="user-code">Code</label>
<input class="code" id="user-code" name="user_code" value="{user_code}" required maxlength="16"
 autocomplete="off" autocapitalize="characters" spellcheck="false"{code_attributes}>
{code_text}
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" value="{email}" required maxlength="254"
 autocomplete="email"{email_attributes}>
{email_text}
<div class="buttons">
<button class="primary" name="decision" value="approve">Approve</button>
<button name="decision" value="deny" formnovalidate>Deny</button>
</div>
</form>
<p class="aside">This is a development server: any address works, and no message is sent.</p>"#,
        form_token = escape(&form.form_token),
        user_code = escape(&form.user_code),
        email = escape(&form.email),
        code_attributes = code.attributes,
        code_text = code.text,
        email_attributes = email.attributes,
        email_text = email.text,
    );
    document(title, &body)
}

pub(super) fn outcome(outcome: &Outcome<'_>) -> String {
    match outcome {
        Outcome::Approved { email } => document(
            "App connected",
            &format!(
                r#"<h1>App connected</h1>
<p role="status">The app may now use the notes of <strong>{}</strong>. Close this page and go
back to it.</p>"#,
                escape(email)
            ),
        ),
        Outcome::Denied => document(
            "Request refused",
            r#"<h1>Request refused</h1>
<p role="status">The app was not let in. Close this page.</p>"#,
        ),
    }
}

fn document(title: &str, body: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} - Basic Memory</title>
<link rel="stylesheet" href="/idp/device.css">
</head>
<body>
<main>
<p class="brand">Basic Memory</p>
{body}
</main>
</body>
</html>
"#
    )
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_becomes_markup() {
        let page = form(&Form {
            user_code: "\"><script>".to_owned(),
            email: "'&<b>".to_owned(),
            ..Form::default()
        });
        assert!(page.contains("&quot;&gt;&lt;script&gt;"));
        assert!(page.contains("&#39;&amp;&lt;b&gt;"));
        assert!(!page.contains("<script>"));
    }

    #[test]
    fn where_no_field_is_wrong_the_message_has_the_focus() {
        for (trouble, expected) in [
            (Trouble::Stale, "banner"),
            (Trouble::TooMany { retry_after_s: 3 }, "banner"),
            (Trouble::Code, "user-code"),
            (Trouble::Email, "email"),
        ] {
            let page = form(&Form {
                trouble: Some(trouble),
                ..Form::default()
            });
            let tags: Vec<&str> = page
                .split('<')
                .filter(|tag| tag.contains("autofocus"))
                .collect();
            assert!(
                matches!(&tags[..], [tag] if tag.contains(expected)),
                "{tags:?}"
            );
        }
    }

    #[test]
    fn a_wrong_field_says_so_where_it_is_and_above_the_form() {
        let page = form(&Form {
            trouble: Some(Trouble::Email),
            ..Form::default()
        });
        assert!(page.contains(r#"role="alert""#));
        assert!(page.contains(r#"aria-describedby="email-note""#));
        assert!(page.contains(r#"id="email-note""#));
        assert!(page.contains("<title>Error: "));
    }
}
