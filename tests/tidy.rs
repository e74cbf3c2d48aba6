//! What must hold of the sources themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The floors of the SDK from the ground up: a file uses its own and those below it.
const FLOORS: [&[&str]; 5] = [
    &["clock", "config", "error"],
    &["record", "sql"],
    &["observe", "cache", "database", "pools"],
    &["judge", "doctor", "act"],
    &[
        "deck", "builder", "notify", "care", "agent", "publish", "testing",
    ],
];

#[test]
fn crates_depend_in_one_direction() -> Result<()> {
    check_dependencies("bridge", &[])?;
    check_dependencies("sdk/macros", &[])?;
    check_dependencies("sdk", &["perfdeck-bridge", "perfdeck-macros"])?;
    check_dependencies("tui", &["perfdeck-bridge"])
}

/// Checks what a package is built of, and that its tests borrow no more than the servers and terminals of these tests.
fn check_dependencies(package: &str, allowed: &[&str]) -> Result<()> {
    let manifest = fs::read_to_string(root().join(package).join("Cargo.toml"))?;
    let (shipped, lent) = manifest
        .split_once("[dev-dependencies]")
        .unwrap_or((&manifest, ""));
    let lenders = [allowed, &["perfdeck-tests"]].concat();
    for (part, allowed) in [(shipped, allowed), (lent, &lenders)] {
        for line in part.lines().filter(|line| line.starts_with("perfdeck")) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            ensure!(
                allowed.contains(&name),
                "{package} depends on {name}: its arrows end at {allowed:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_floor_of_the_sdk_uses_none_above_it() -> Result<()> {
    let sdk = root().join("sdk/src");
    let floor_of = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    for file in sources(&sdk)? {
        let inside = file.strip_prefix(&sdk)?.with_extension("");
        let module = first_component(&inside)?;
        if module == "lib" {
            continue;
        }
        let own = floor_of(&module).with_context(|| format!("`{module}` stands on no floor"))?;
        for used in modules_used(&code(&file)?) {
            let above = floor_of(&used).is_some_and(|floor| floor > own);
            ensure!(!above, "{} uses `{used}`, above it", file.display());
        }
    }
    Ok(())
}

#[test]
fn what_is_kept_and_judged_knows_no_runtime_and_no_driver() -> Result<()> {
    for module in ["record", "sql", "judge"] {
        for file in module_files(&root().join("sdk/src"), module)? {
            check_free(&file, &["tokio", "tracing", "sqlx", "serde"])?;
        }
    }
    Ok(())
}

#[test]
fn the_state_of_the_screens_knows_no_terminal() -> Result<()> {
    for module in ["model", "update", "msg", "effect"] {
        for file in module_files(&root().join("tui/src"), module)? {
            check_free(&file, &["ratatui", "crossterm", "tokio"])?;
        }
    }
    for file in sources(&root().join("tui/src"))? {
        if file.ends_with("view.rs") {
            check_free(&file, &["tokio", "perfdeck_bridge::client"])?;
        }
    }
    Ok(())
}

/// Ensures that the code of a file names none of these crates or paths.
fn check_free(file: &Path, unwanted: &[&str]) -> Result<()> {
    let code = code(file)?;
    for name in unwanted {
        for opening in [format!("use {name}"), format!("{name}::")] {
            let found = code.match_indices(&opening).any(|(at, _)| {
                let before = code.get(..at).and_then(|before| before.chars().next_back());
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
            });
            ensure!(!found, "{} uses {name}", file.display());
        }
    }
    Ok(())
}

#[test]
fn colours_are_named_in_the_theme_alone() -> Result<()> {
    let tui = root().join("tui/src");
    for file in sources(&tui)? {
        let inside = file.strip_prefix(&tui)?.with_extension("");
        // The picture writes down the colours that were drawn.
        if !["theme", "picture"].contains(&first_component(&inside)?.as_str()) {
            ensure!(
                !code(&file)?.contains("Color::"),
                "{} names a colour",
                file.display()
            );
        }
    }
    Ok(())
}

#[test]
fn no_snapshot_waits_for_a_decision() -> Result<()> {
    for package in ["bridge", "examples", "sdk", "tests", "tui"] {
        for file in files(&root().join(package))? {
            let waits = file.to_string_lossy().ends_with(".snap.new");
            ensure!(!waits, "{} is undecided", file.display());
        }
    }
    Ok(())
}

#[test]
fn the_top_level_is_as_it_was_meant() -> Result<()> {
    let mut present = BTreeSet::new();
    for entry in fs::read_dir(root())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // What cargo makes stands beside it.
        if !name.starts_with('.') && !["Cargo.lock", "target"].contains(&name.as_str()) {
            present.insert(name);
        }
    }
    let meant = [
        "Cargo.toml",
        "README.md",
        "assets",
        "bridge",
        "examples",
        "sdk",
        "tests",
        "tui",
    ];
    assert_eq!(present, BTreeSet::from(meant.map(str::to_owned)));
    Ok(())
}

#[test]
fn every_environment_variable_is_in_the_readme() -> Result<()> {
    let readme = fs::read_to_string(root().join("README.md")).context("there is no README.md")?;
    for package in ["bridge/src", "sdk/src", "sdk/macros/src", "tui/src"] {
        for file in sources(&root().join(package))? {
            for name in environment_variables(&code(&file)?) {
                ensure!(
                    readme.contains(&format!("`{name}")),
                    "{} reads {name}, which README.md does not explain",
                    file.display()
                );
            }
        }
    }
    Ok(())
}

/// Returns the string literals that begin as our environment variables do.
fn environment_variables(code: &str) -> BTreeSet<String> {
    let names = code.split("\"PERFDECK").skip(1).map(|rest| {
        let is_end = |c: char| !c.is_ascii_uppercase() && c != '_';
        let end = rest.find(is_end).unwrap_or(rest.len());
        format!("PERFDECK{}", rest.get(..end).unwrap_or_default())
    });
    names.collect()
}

/// Returns the modules `m` of which the code says `crate::m`.
fn modules_used(code: &str) -> BTreeSet<String> {
    let word = |rest: &str| -> String {
        rest.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => {
                used.insert(word(rest));
            }
            Some(list) => {
                let list = list.split(';').next().unwrap_or_default();
                used.extend(list.split([',', '{']).map(|item| word(item.trim())));
            }
        }
    }
    used
}

/// Reads a file without its comments and without the tests at its end.
fn code(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file)?;
    let text = text.split("#[cfg(test)]\nmod tests {").next();
    let lines = text.unwrap_or_default().lines();
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    Ok(code.collect::<Vec<_>>().join("\n"))
}

/// Returns `module.rs` and the files below `module/`.
fn module_files(folder: &Path, module: &str) -> Result<Vec<PathBuf>> {
    let mut found = vec![folder.join(module).with_extension("rs")];
    let below = folder.join(module);
    if below.is_dir() {
        found.extend(sources(&below)?);
    }
    Ok(found)
}

/// Returns the Rust files below a folder, but for those that hold only tests.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = files(folder)?;
    found.retain(|file| {
        let is_test = file
            .iter()
            .any(|part| part == "tests" || part == "tests.rs");
        file.extension().is_some_and(|end| end == "rs") && !is_test
    });
    ensure!(!found.is_empty(), "{} has no sources", folder.display());
    Ok(found)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn first_component(path: &Path) -> Result<String> {
    let first = path.iter().next().context("an empty path")?;
    Ok(first.to_string_lossy().into_owned())
}

fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}
