//! The folder of a project: what Basic Memory makes of a project's name.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Gives the folder of the project with this name; `None` if no folder can be told from it.
///
/// Words are parted by hyphens, in small letters without accents; CJK ideographs stay. Scripts
/// that would have to be transliterated have no folder here.
pub(super) fn folder_of(name: &str) -> Option<String> {
    let plain = plain_letters(name)?;
    let mut folder = String::with_capacity(plain.len() + 4);
    let mut before = None;
    for letter in plain.chars() {
        if before.is_some_and(|before| parts_words(before, letter)) {
            part(&mut folder);
        }
        match letter {
            '\'' => {}
            'A'..='Z' => folder.push(letter.to_ascii_lowercase()),
            'a'..='z' | '0'..='9' | '.' => folder.push(letter),
            _ if is_cjk(letter) => folder.push(letter),
            _ => part(&mut folder),
        }
        before = Some(letter);
    }
    let folder = folder.trim_matches('-');
    match folder {
        "" | "." | ".." => None,
        folder => Some(folder.to_owned()),
    }
}

/// Two hyphens in a row say no more than one.
fn part(folder: &mut String) {
    if !folder.ends_with('-') {
        folder.push('-');
    }
}

fn parts_words(before: char, letter: char) -> bool {
    let latin = |letter: char| letter.is_ascii_alphanumeric();
    let camel =
        (before.is_ascii_lowercase() || before.is_ascii_digit()) && letter.is_ascii_uppercase();
    camel || is_cjk(before) && latin(letter) || latin(before) && is_cjk(letter)
}

fn is_cjk(letter: char) -> bool {
    matches!(letter, '\u{3000}'..='\u{303f}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// The name in ASCII and ideographs.
fn plain_letters(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    for letter in name.nfc().collect::<String>().chars() {
        match letter {
            '/' | '\\' => return None,
            _ if letter.is_ascii() || is_cjk(letter) => plain.push(letter),
            // Wide punctuation goes without a trace.
            '\u{ff00}'..='\u{ffef}' => {}
            _ => plain.push_str(&ascii_of(letter)?),
        }
    }
    Some(plain)
}

/// What is left of a letter without its accents.
fn ascii_of(letter: char) -> Option<String> {
    let known = match letter {
        'ß' => "ss",
        'æ' => "ae",
        'Æ' => "AE",
        'œ' => "oe",
        'Œ' => "OE",
        'ø' => "o",
        'Ø' => "O",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'ł' => "l",
        'Ł' => "L",
        'þ' => "th",
        'Þ' => "Th",
        'ı' => "i",
        '‘' | '’' => "'",
        '“' | '”' | '–' | '—' | '\u{a0}' => " ",
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.to_owned());
    }
    let bare: String = letter
        .nfd()
        .filter(|part| !is_combining_mark(*part))
        .collect();
    (!bare.is_empty() && bare.is_ascii()).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_folders_that_basic_memory_gives_them() {
        for (name, folder) in [
            ("main", "main"),
            ("My Project", "my-project"),
            ("My  Project!", "my-project"),
            ("my_notes", "my-notes"),
            ("MyProject", "my-project"),
            ("HTTPServer", "httpserver"),
            ("v2Notes", "v2-notes"),
            ("Version 2.0.0", "version-2.0.0"),
            ("Ana's notes", "anas-notes"),
            ("Ana’s notes", "anas-notes"),
            ("Übersicht & Café", "ubersicht-cafe"),
            ("Straße", "strasse"),
            ("中文 notes", "中文-notes"),
            ("中文notes", "中文-notes"),
            ("-x-", "x"),
            ("a/b", ""),
            ("..", ""),
            ("!!", ""),
            ("", ""),
            ("Привет", ""),
        ] {
            let expected = (!folder.is_empty()).then(|| folder.to_owned());
            assert_eq!(folder_of(name), expected, "{name}");
        }
    }

    #[test]
    fn a_folder_is_its_own_folder() {
        for name in ["My Project", "Übersicht & Café", "中文 notes", "v2Notes"] {
            let folder = folder_of(name).unwrap();
            assert_eq!(folder_of(&folder), Some(folder.clone()), "{name}");
        }
    }
}
