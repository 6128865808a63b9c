//! TEXT: every word that people read, per BCP-47 language, found by a stable key.
//!
//! Keys: `field.NAME.label`, `field.NAME.help`, `field.NAME.reason`, `field.NAME.category.CODE`,
//! `group.NAME.label`, `rule.CODE`, `override.CODE`, `system.CODE`, `product.name`, `product.purpose`,
//! `texts.version`, and those of [`Notice`](crate::Notice).

use std::sync::OnceLock;

use minicbor::Encode;

use crate::bundle::cbor::{self, Reader, major, structure};
use crate::error::{Error, Result};

/// The texts of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Texts {
    /// BCP-47 tags; the first is the default.
    #[n(0)]
    pub languages: Vec<String>,
    /// The entries, sorted by key.
    #[n(1)]
    pub entries: Vec<TextEntry>,
}

/// One text in every language.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub struct TextEntry {
    /// Its key.
    #[n(0)]
    pub key: String,
    /// The text for each language, in their order; empty where the default language serves.
    #[n(1)]
    pub texts: Vec<String>,
}

structure!(Texts {
    0: languages,
    1: entries
});
structure!(TextEntry [key, texts]);

/// TEXT, checked when the bundle is opened and made into [`Texts`] when a text is first asked for:
/// most of a bundle's allocations would otherwise be for words that nobody reads.
#[derive(Debug, Default)]
pub(crate) struct LazyTexts {
    decoded: OnceLock<Texts>,
}

impl LazyTexts {
    /// Refuses what [`Texts::decode`] refuses.
    pub fn check(bytes: &[u8]) -> Result<Self> {
        let texts = Self::default();
        // In WebAssembly there is only one way of reading: what a browser has to load counts for more
        // there than microseconds.
        if cfg!(target_arch = "wasm32") || !are_sound(bytes).is_some_and(|sound| sound) {
            let _ = texts.decoded.set(Texts::decode(bytes)?);
        }
        Ok(texts)
    }

    /// The texts of `bytes`, which must be those that were checked.
    pub fn of(&self, bytes: &[u8]) -> &Texts {
        self.decoded
            .get_or_init(|| Texts::decode(bytes).unwrap_or_default())
    }
}

/// Whether these are texts that [`Texts::decode`] takes, where they are written canonically.
fn are_sound(bytes: &[u8]) -> Option<bool> {
    let utf8 = |text: &[u8]| text.is_ascii() || str::from_utf8(text).is_ok();
    let mut from = Reader(bytes);
    let mut sound = from.head(major::MAP)? == 2 && from.head(major::UNSIGNED)? == 0;
    let count = from.head(major::ARRAY)?;
    sound &= (1..=64).contains(&count);
    for _ in 0..count {
        sound &= utf8(from.string(major::TEXT)?);
    }
    sound &= from.head(major::UNSIGNED)? == 1;
    let mut last: Option<&[u8]> = None;
    for _ in 0..from.head(major::ARRAY)? {
        from.tuple(2)?;
        let key = from.string(major::TEXT)?;
        sound &= utf8(key) && last.is_none_or(|last| last < key);
        last = Some(key);
        from.tuple(count)?;
        for _ in 0..count {
            sound &= utf8(from.string(major::TEXT)?);
        }
    }
    Some(sound && from.0.is_empty())
}

impl Texts {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let texts: Self = cbor::decode(bytes, "section TEXT")?;
        let count = texts.languages.len();
        let whole = (1..=64).contains(&count)
            && texts.entries.iter().all(|e| e.texts.len() == count)
            && texts
                .entries
                .windows(2)
                .all(|pair| pair[0].key < pair[1].key);
        if !whole {
            return Err(Error::malformed(
                "section TEXT",
                "1 to 64 languages and sorted keys with a text for each language",
            ));
        }
        Ok(texts)
    }

    /// The bundle's language that serves `wanted` best: RFC 4647 lookup (drop subtags from the
    /// right until one matches), else the default.
    pub fn language(&self, wanted: &str) -> usize {
        let mut tag = wanted;
        loop {
            if let Some(at) = self
                .languages
                .iter()
                .position(|l| l.eq_ignore_ascii_case(tag))
            {
                return at;
            }
            match tag.rsplit_once('-') {
                Some((shorter, _)) => tag = shorter,
                None => return 0,
            }
        }
    }

    /// The text of `key` in the language that serves `wanted` best.
    pub fn text(&self, key: &str, wanted: &str) -> Option<&str> {
        let at = self
            .entries
            .binary_search_by(|e| e.key.as_str().cmp(key))
            .ok()?;
        let texts = &self.entries.get(at)?.texts;
        let text = texts.get(self.language(wanted)).filter(|t| !t.is_empty());
        text.or_else(|| texts.first())
            .map(String::as_str)
            .filter(|t| !t.is_empty())
    }
}

/// Whether a BCP-47 language is written from right to left: by its script subtag where it has one,
/// else by the scripts that CLDR's likely subtags give these languages.
///
/// ```
/// use fieldscore_runtime::is_right_to_left;
/// assert!(is_right_to_left("ar-EG") && is_right_to_left("pa-Arab"));
/// assert!(!is_right_to_left("zh-Hans") && !is_right_to_left("az-Latn"));
/// ```
pub fn is_right_to_left(language: &str) -> bool {
    const SCRIPTS: [&str; 9] = [
        "Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg", "Mand", "Samr",
    ];
    const LANGUAGES: [&str; 16] = [
        "ar", "arc", "ckb", "dv", "fa", "he", "ks", "lrc", "mzn", "nqo", "ps", "sd", "syr", "ug",
        "ur", "yi",
    ];
    let mut subtags = language.split('-');
    let primary = subtags.next().unwrap_or_default();
    match subtags.find(|s| s.len() == 4 && s.bytes().all(|b| b.is_ascii_alphabetic())) {
        Some(script) => SCRIPTS.iter().any(|s| s.eq_ignore_ascii_case(script)),
        None => LANGUAGES.iter().any(|l| l.eq_ignore_ascii_case(primary)),
    }
}
