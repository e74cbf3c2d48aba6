//! What this floor makes of statements as services send them; the statements are in `corpus/`, a file for a dialect.
//!
//! A line `--@ <marks> <reads> > <changes>` stands above each. Of the marks, `=` says that its fingerprint is that of the
//! statement above and `!` that it looks like that one and isn't; without a mark it is like no other in all files. `x` says
//! that its literals can't be told apart, so that only a hash may be told. `-` for what it reads says that its result
//! can't be kept, `?` for what it changes that this can't be told. Names of common table expressions count as tables.

use std::collections::HashMap;

use super::fingerprint::{Fingerprint, fingerprint};
use super::parse::{self, Dialect};
use super::relation::{Changes, Grammar, Unfit, relations};

const FILES: [(&str, Way); 3] = [
    (include_str!("corpus/postgres.sql"), Way::Postgres),
    (include_str!("corpus/sqlite.sql"), Way::Sqlite),
    (include_str!("corpus/mysql.sql"), Way::Mysql),
];

/// A way to write SQL; MySQL's has no grammar of its own here, so only its literals are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Postgres,
    Sqlite,
    Mysql,
}

struct Entry {
    sql: &'static str,
    way: Way,
    same: bool,
    near: bool,
    hidden: bool,
    reads: Option<Vec<&'static str>>,
    changes: Option<Vec<&'static str>>,
}

fn corpus() -> Vec<Entry> {
    let mut entries = Vec::new();
    for (file, way) in FILES {
        for block in file.split("--@ ").skip(1) {
            let (head, sql) = block.split_once('\n').unwrap_or_default();
            let (left, right) = head.split_once('>').unwrap_or_default();
            let mut left: Vec<_> = left.split_whitespace().collect();
            let mut marked = |mark| {
                let before = left.len();
                left.retain(|word| *word != mark);
                left.len() < before
            };
            let (same, near, hidden) = (marked("="), marked("!"), marked("x"));
            left.sort_unstable();
            let mut right: Vec<_> = right.split_whitespace().collect();
            right.sort_unstable();
            entries.push(Entry {
                sql: sql.strip_suffix('\n').unwrap_or(sql),
                way,
                same,
                near,
                hidden,
                reads: (left != ["-"]).then_some(left),
                changes: (right != ["?"]).then_some(right),
            });
        }
    }
    entries
}

fn is_told(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("secret") || text.contains("4711471147")
}

fn is_hidden(print: &Fingerprint) -> bool {
    print.text.starts_with("<unparsable ")
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{}: {faults:#?}", faults.len());
}

#[test]
fn the_corpus_is_whole() {
    let entries = corpus();
    let of = |way| entries.iter().filter(|entry| entry.way == way).count();
    let numbers = [Way::Postgres, Way::Sqlite, Way::Mysql].map(of);
    assert!(numbers >= [257, 86, 44], "{numbers:?}");
}

#[test]
fn no_literal_of_the_corpus_is_told() {
    let mut faults = Vec::new();
    for entry in corpus() {
        let print = fingerprint(entry.sql);
        if is_told(&print.text) {
            faults.push(format!("told: {} -> {}", entry.sql, print.text));
        }
        if is_hidden(&print) != entry.hidden {
            faults.push(format!("hidden: {} -> {}", entry.sql, print.text));
        }
        let again = fingerprint(&print.text);
        if again.text != print.text || (!entry.hidden && again.id != print.id) {
            faults.push(format!("twice: {} -> {}", print.text, again.text));
        }
    }
    none(&faults);
}

#[test]
fn shapes_of_the_corpus_are_equal_where_it_says_so_and_nowhere_else() {
    let mut faults = Vec::new();
    let mut seen: HashMap<u64, usize> = HashMap::new();
    let entries = corpus();
    let mut first = 0;
    for (place, entry) in entries.iter().enumerate() {
        let print = fingerprint(entry.sql);
        if entry.same {
            if print.id != first {
                faults.push(format!("unlike: {} -> {}", entry.sql, print.text));
            }
            continue;
        }
        first = print.id;
        if let Some(other) = seen.insert(print.id, place) {
            let other = entries.get(other).map(|entry| entry.sql);
            faults.push(format!("alike: {} and {other:?}", entry.sql));
        }
    }
    none(&faults);
    let count = |mark: fn(&Entry) -> bool| entries.iter().filter(|entry| mark(entry)).count();
    assert!(count(|entry| entry.same) >= 60 && count(|entry| entry.near) >= 60);
}

#[test]
fn tables_of_the_corpus_are_what_it_says() {
    let mut faults = Vec::new();
    for entry in corpus() {
        let grammar = match entry.way {
            Way::Postgres => Grammar::Postgres,
            Way::Sqlite => Grammar::Sqlite,
            Way::Mysql => continue,
        };
        let found = relations(entry.sql, grammar);
        let mut reads = found.reads.as_ref().ok().cloned();
        if let Some(reads) = &mut reads {
            reads.sort();
        }
        let reads = reads
            .as_ref()
            .map(|names| names.iter().map(|name| &**name).collect::<Vec<_>>());
        if reads != entry.reads {
            faults.push(format!("reads {:?}: {}", found.reads, entry.sql));
        }
        let changes = match &found.changes {
            Changes::Tables(names) => {
                let mut names: Vec<_> = names.iter().map(|name| &**name).collect();
                names.sort_unstable();
                Some(names)
            }
            Changes::Anything => None,
        };
        if changes != entry.changes {
            faults.push(format!("changes {:?}: {}", found.changes, entry.sql));
        }
    }
    none(&faults);
}

#[test]
fn most_statements_of_the_corpus_are_understood() {
    for (way, grammar, least) in [
        (Way::Postgres, Grammar::Postgres, 94),
        (Way::Sqlite, Grammar::Sqlite, 84),
    ] {
        let entries: Vec<_> = corpus()
            .into_iter()
            .filter(|entry| entry.way == way)
            .collect();
        let read = entries
            .iter()
            .filter(|entry| relations(entry.sql, grammar).reads != Err(Unfit::Unreadable))
            .count();
        for entry in &entries {
            if relations(entry.sql, grammar).reads == Err(Unfit::Unreadable) {
                println!("not understood: {}", entry.sql);
            }
        }
        println!("{grammar:?}: {read} of {} are understood", entries.len());
        assert!(read * 100 >= entries.len() * least, "{grammar:?}: {read}");
    }
}

#[test]
fn a_cut_statement_of_the_corpus_neither_panics_nor_tells() {
    let mut faults = Vec::new();
    for entry in corpus() {
        for (count, (at, _)) in entry.sql.char_indices().enumerate() {
            let (head, tail) = entry.sql.split_at(at);
            let print = fingerprint(head);
            if is_told(&print.text) {
                faults.push(format!("{head} -> {}", print.text));
            }
            fingerprint(tail);
            // The parser is slow in a debug build, so it has a part of the cuts.
            if count % 13 == 0 {
                for cut in [head, tail] {
                    relations(cut, Grammar::Postgres);
                    parse::accesses(cut, Dialect::Sqlite);
                }
            }
        }
    }
    none(&faults);
}
