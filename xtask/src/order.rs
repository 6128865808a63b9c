//! The order of a wasm module's functions in which it zips smallest: those of like code beside each
//! other, where the compressor's window still has the one when the other comes.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::run::{Failure, Result};

/// Bytes of code that are looked for again.
const SHINGLE: usize = 6;
/// What more functions than this have says nothing about any two of them.
const COMMON: usize = 40;
/// Bytes of code that the next function is compared with.
const BEHIND: usize = 4000;
/// What a function counts for besides its code, so that short ones don't go first.
const HEAD: usize = 30;

/// The section of names.
const CUSTOM: u8 = 0;
const IMPORT: u8 = 2;
const CODE: u8 = 10;

/// The module, its functions named so that `wasm-opt --reorder-functions-by-name` puts like beside
/// like.
///
/// # Errors
/// Where the bytes are not a module.
pub fn named(module: &[u8]) -> Result<Vec<u8>> {
    let wrong = || Failure::new("a wasm module: sections expected, none found".to_owned());
    let (imports, bodies) = functions(module).ok_or_else(wrong)?;
    let mut places = vec![0; bodies.len()];
    for (place, function) in order(&bodies).into_iter().enumerate() {
        places[function] = place;
    }
    let mut names = Vec::new();
    push(&mut names, bodies.len());
    for (function, place) in places.into_iter().enumerate() {
        push(&mut names, imports + function);
        push_text(&mut names, &format!("{place:06}"));
    }
    let mut section = Vec::new();
    push_text(&mut section, "name");
    section.push(1);
    push(&mut section, names.len());
    section.extend(names);
    let mut out = module.to_vec();
    out.push(CUSTOM);
    push(&mut out, section.len());
    out.extend(section);
    Ok(out)
}

/// How many functions a module imports, and the bodies of its own.
fn functions(module: &[u8]) -> Option<(usize, Vec<&[u8]>)> {
    let mut rest = module.strip_prefix(b"\0asm\x01\0\0\0")?;
    let (mut imports, mut bodies) = (0, Vec::new());
    while let Some(kind) = take(&mut rest, 1) {
        let len = number(&mut rest)?;
        let mut section = take(&mut rest, len)?;
        let count = match kind[0] {
            IMPORT | CODE => number(&mut section)?,
            _ => 0,
        };
        for _ in 0..count {
            if kind[0] == CODE {
                let len = number(&mut section)?;
                bodies.push(take(&mut section, len)?);
            } else {
                imports += usize::from(import(&mut section)?);
            }
        }
    }
    (!bodies.is_empty()).then_some((imports, bodies))
}

/// Skips an import; whether it is a function.
fn import(section: &mut &[u8]) -> Option<bool> {
    for _ in 0..2 {
        let len = number(section)?;
        take(section, len)?;
    }
    let kind = take(section, 1)?[0];
    match kind {
        0 => {
            number(section)?;
        }
        // A global's type and whether it changes.
        3 => {
            take(section, 2)?;
        }
        // Of a table the type; of it and of a memory the limits.
        _ => {
            take(section, usize::from(kind == 1))?;
            let most = take(section, 1)?[0] & 1;
            for _ in 0..=most {
                number(section)?;
            }
        }
    }
    Some(kind == 0)
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(first)
}

/// An unsigned LEB128 number.
fn number(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn push(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push(out, text.len());
    out.extend(text.as_bytes());
}

/// The functions, from the first one on, each followed by the one that has the greatest share of its
/// code in what went just before.
fn order(bodies: &[&[u8]]) -> Vec<usize> {
    let shingles = |body: &usize| bodies[*body].windows(SHINGLE).collect::<HashSet<_>>();
    let mut having: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for body in 0..bodies.len() {
        for shingle in shingles(&body) {
            having.entry(shingle).or_default().push(body);
        }
    }
    having.retain(|_, of| (2..=COMMON).contains(&of.len()));
    let mut order: Vec<usize> = Vec::with_capacity(bodies.len());
    let mut left: BTreeMap<usize, usize> = (0..bodies.len()).map(|body| (body, 0)).collect();
    while let Some((&first, _)) = left.first_key_value() {
        let mut behind = 0;
        let near = order.iter().rev().take_while(|body| {
            let within = behind < BEHIND;
            behind += bodies[**body].len();
            within
        });
        let near: HashSet<&[u8]> = near.flat_map(shingles).collect();
        left.values_mut().for_each(|shared| *shared = 0);
        for body in near
            .iter()
            .filter_map(|shingle| having.get(shingle))
            .flatten()
        {
            if let Some(shared) = left.get_mut(body) {
                *shared += 1;
            }
        }
        // In integers and by rising index: the same order wherever it is made.
        let share =
            |(body, shared): (&usize, &usize)| (shared << 20) / (bodies[*body].len() + HEAD);
        let next = left
            .iter()
            .max_by_key(|&(body, shared)| (share((body, shared)), std::cmp::Reverse(*body)))
            .map_or(first, |(&body, _)| body);
        left.remove(&next);
        order.push(next);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_functions_come_together() {
        let bodies: [&[u8]; 5] = [
            b"abcdefgh",
            b"ABCDEFGH",
            b"12345678",
            b"abcdefgi",
            b"ABCDEFGI",
        ];
        assert_eq!(order(&bodies), [0, 3, 1, 4, 2]);
    }

    #[test]
    fn functions_are_named_behind_the_imported_ones() {
        let module: &[u8] = &[
            b"\0asm\x01\0\0\0".as_slice(),
            // Imports: a function, a table, a memory, a global.
            &[
                2, 30, 4, 1, b'a', 1, b'b', 0, 0, 1, b'a', 1, b'c', 1, 0x70, 0, 1,
            ],
            &[1, b'a', 1, b'd', 2, 1, 1, 2, 1, b'a', 1, b'e', 3],
            &[0x7f, 0],
            &[10, 7, 2, 2, 0, 0x0b, 2, 0, 0x0b],
        ]
        .concat();
        let names = |module: &[u8]| Some(named(module).ok()?.split_off(module.len()));
        let expected = b"\0\x18\x04name\x01\x11\x02\x01\x06000000\x02\x06000001";
        assert_eq!(names(module).as_deref(), Some(expected.as_slice()));
        assert_eq!(names(&module[..20]), None);
    }
}
