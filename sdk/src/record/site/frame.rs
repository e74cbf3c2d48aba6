//! The host's own frames in the text of a stack.

/// One of the host's functions in a stack: its name, its place, or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Frame {
    /// `None` for an asynchronous body of which debug information has only the lines.
    pub(crate) function: Option<String>,
    /// Where it called; `None` without debug information.
    pub(crate) at: Option<(String, u32)>,
}

/// What a stack tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The innermost first.
    pub(super) frames: Vec<Frame>,
    /// Whether any function of Rust's is known, by its name or its place.
    pub(super) named: bool,
}

/// The most frames that are kept of a stack.
const FRAMES: usize = 3;
/// The most bytes of a function's name, and of a file's.
const TEXT: usize = 200;

/// Crates that stand between a statement and the code that wants it.
const BETWEEN: [&str; 21] = [
    "alloc",
    "async_stream",
    "core",
    "either",
    "futures",
    "futures_channel",
    "futures_core",
    "futures_executor",
    "futures_util",
    "perfdeck",
    "perfdeck_bridge",
    "sqlx",
    "sqlx_core",
    "sqlx_mysql",
    "sqlx_postgres",
    "sqlx_sqlite",
    "std",
    "tokio",
    "tracing",
    "tracing_core",
    "tracing_subscriber",
];
/// Crates that call the host's code: what is below them serves all of it alike.
const BELOW: [&str; 8] = [
    "axum",
    "axum_core",
    "hyper",
    "hyper_util",
    "tonic",
    "tower",
    "tower_http",
    "tower_service",
];
/// Modules of a runtime's crate that do.
const RUNTIME: [(&str, &str); 2] = [("tokio", "runtime"), ("tokio", "task::local")];
/// Where cargo keeps the sources of the registry's crates, each in a folder of its name and version.
const REGISTRY: &str = "/registry/src/";
/// Where others' sources are otherwise.
const FOREIGN: [&str; 4] = ["/git/checkouts/", "/vendor/", "/rustc/", "/rustlib/src/"];
/// This file below the folder that all of perfdeck's own sources are in.
const THIS: &str = "record/site/frame.rs";

/// Whose a frame is.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Host,
    Between,
    Below,
}

impl Frame {
    /// What it takes, with its place among the others.
    pub(super) fn bytes(&self) -> usize {
        let function = self.function.as_ref().map_or(0, String::len);
        let file = self.at.as_ref().map_or(0, |(file, _)| file.len());
        size_of::<Self>() + function + file + 40
    }
}

/// Reads a stack's text, as std writes it for a process whose working folder is `here`: a line with a number and a
/// function, and where there is debug information one with `at` and a place. Functions that were put into another have a
/// line without a number.
///
/// A name begins with its crate, but not where debug information has only lines: then the place tells whose it is.
pub(super) fn read(stack: &str, here: &str) -> Told {
    let mut told = Told {
        frames: Vec::new(),
        named: false,
    };
    let mut lines = stack.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let name = without_number(line);
        let place = lines
            .next_if(|line| line.starts_with("at "))
            .and_then(|line| line.strip_prefix("at "));
        told.named |= name.contains("::") || place.is_some_and(|place| place.contains(".rs:"));
        match owner(name, place, here) {
            Owner::Host => {
                let frame = Frame {
                    function: bare(name),
                    at: place.and_then(place_of),
                };
                let last = told.frames.last();
                let again = last.is_some_and(|last| match &last.function {
                    Some(function) => frame.function.as_ref() == Some(function),
                    None => *last == frame,
                });
                if !again && told.frames.len() < FRAMES {
                    told.frames.push(frame);
                }
            }
            Owner::Between => {}
            Owner::Below => break,
        }
    }
    told
}

fn without_number(line: &str) -> &str {
    match line.split_once(": ") {
        Some((number, name)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => line,
    }
}

/// Whether a path is in one of [`RUNTIME`].
fn runs_tasks(path: &str) -> bool {
    let Some((krate, rest)) = path.split_once("::") else {
        return false;
    };
    let mut modules = RUNTIME.iter().filter(|(of, _)| *of == krate);
    modules.any(|(_, module)| {
        let inside = rest.strip_prefix(module);
        inside.is_some_and(|inside| inside.starts_with("::"))
    })
}

fn owner(name: &str, place: Option<&str>, here: &str) -> Owner {
    let path = path_of(name);
    if let Some(path) = path {
        let krate = path.split("::").next().unwrap_or_default();
        if BELOW.contains(&krate) || runs_tasks(path) {
            return Owner::Below;
        }
        if BETWEEN.contains(&krate) {
            return Owner::Between;
        }
    }
    let Some(place) = place else {
        return path.map_or(Owner::Between, |_| Owner::Host);
    };
    if let Some((_, of)) = place.split_once(REGISTRY) {
        let module = module_of(of.split_once('/').map_or("", |(_, of)| of));
        let krate = module.split("::").next().unwrap_or_default();
        return if BELOW.contains(&krate) || runs_tasks(&module) {
            Owner::Below
        } else {
            Owner::Between
        };
    }
    let own = own();
    let is_own = match place.strip_prefix("./") {
        Some(place) => format!("{here}/{place}").contains(own),
        None => place.contains(own),
    };
    let is_rust = path.is_some() || place.contains(".rs:");
    if is_own || !is_rust || FOREIGN.iter().any(|folder| place.contains(folder)) {
        Owner::Between
    } else {
        Owner::Host
    }
}

/// The folder of perfdeck's own sources, as the compiler was given it.
fn own() -> &'static str {
    file!().strip_suffix(THIS).unwrap_or(file!())
}

/// The module of a file of the registry's: `tokio::runtime::park` of `tokio-1.50.0/src/runtime/park.rs`.
fn module_of(file: &str) -> String {
    let (folder, file) = file.split_once("/src/").unwrap_or((file, ""));
    let version = folder.match_indices('-').map(|(at, _)| at).find(|at| {
        folder
            .as_bytes()
            .get(at + 1)
            .is_some_and(u8::is_ascii_digit)
    });
    let krate = folder.get(..version.unwrap_or(folder.len()));
    let krate = krate.unwrap_or_default().replace('-', "_");
    format!("{krate}::{}", file.replace('/', "::").replace(".rs", "::"))
}

/// Finds the path that says whose a function is: its own, that of the type it is of, or of the trait where the type has
/// none; `None` for what has none at all.
fn path_of(name: &str) -> Option<&str> {
    let mut rest = name;
    loop {
        let before = rest;
        rest = rest.trim_start_matches(['<', '&', '*', '(', '[', ' ']);
        for word in ["mut ", "const ", "dyn ", "impl "] {
            rest = rest.strip_prefix(word).unwrap_or(rest);
        }
        if rest.len() == before.len() {
            break;
        }
    }
    let end = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    let after = rest.get(end..)?;
    if end > 0 && after.starts_with("::") {
        return Some(rest);
    }
    if !name.starts_with('<') {
        // What comes now is what a function is generic over.
        return None;
    }
    // A parameter, or a type of the language's own.
    let (_, of) = after.split_once(" as ")?;
    of.split_once("::").map(|_| of)
}

/// A function's name without what the compiler calls its closures and its asynchronous body, in both manners of its
/// own: `{{closure}}` and `{closure#0}`; `None` where that is all.
fn bare(name: &str) -> Option<String> {
    let name = match path_of(name) {
        Some(_) => name,
        // Of a name without a path only the name is of use, and not what it is generic over.
        None => name.split('<').next().unwrap_or(name),
    };
    let mut bare = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("::{") {
        bare.push_str(before);
        let end = after.find('}').map_or(after.len(), |end| end + 1);
        rest = after.get(end..).unwrap_or_default();
        rest = rest.strip_prefix('}').unwrap_or(rest);
    }
    bare.push_str(rest);
    if bare.is_empty() || bare.starts_with('{') {
        return None;
    }
    if bare.len() > TEXT {
        let most = TEXT - '…'.len_utf8();
        let end = (0..=most).rev().find(|end| bare.is_char_boundary(*end));
        bare.truncate(end.unwrap_or(0));
        bare.push('…');
    }
    Some(bare)
}

/// Reads `./src/main.rs:12:34`; the end of a long path says more than its beginning.
fn place_of(place: &str) -> Option<(String, u32)> {
    let (rest, last) = place.rsplit_once(':')?;
    let (file, line) = match rest.rsplit_once(':') {
        Some((file, line)) if line.parse::<u32>().is_ok() => (file, line),
        _ => (rest, last),
    };
    let line = line.parse().ok()?;
    let file = file.strip_prefix("./").unwrap_or(file);
    if file.len() <= TEXT {
        return Some((file.to_owned(), line));
    }
    let least = file.len() - (TEXT - '…'.len_utf8());
    let start = (least..file.len()).find(|start| file.is_char_boundary(*start))?;
    Some((format!("…{}", file.get(start..)?), line))
}

#[cfg(test)]
mod tests;
