use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, bail};
use perfdeck_bridge::socket::{self, Found};

use crate::format::printable;
use crate::target::{Attached, Target};

/// Attaches to the one host that is meant.
pub(super) async fn attach(target: &Target) -> Result<Attached> {
    match target.attach_named().await {
        Some(attached) => attached,
        None => target.attach(&choose(target)?.path).await,
    }
}

/// Finds the one host that is meant; where several could be, a terminal's user is asked.
pub(super) fn choose(target: &Target) -> Result<Found> {
    let mut found = target.candidates();
    match found.len() {
        0 => bail!("{}", nobody(target)),
        1 => Ok(found.swap_remove(0)),
        _ if io::stdin().is_terminal() && io::stderr().is_terminal() => {
            let chosen = ask(&found)?;
            Ok(found.swap_remove(chosen))
        }
        _ => bail!(
            "several services could be meant; name one with --pid:\n{}",
            listed(&found)
        ),
    }
}

/// Says why no host was found.
fn nobody(target: &Target) -> String {
    let problems = socket::discover_in(&socket::folders()).problems;
    let problems: String = problems
        .iter()
        .map(|problem| format!("; {problem}"))
        .collect();
    format!("{}{problems}", missing(target))
}

/// Says which host is missing, and which others there are.
pub(super) fn missing(target: &Target) -> String {
    let wanted = match (&target.service, target.pid) {
        (Some(service), Some(pid)) => {
            format!("no service `{service}` with process {pid} runs here")
        }
        (Some(service), None) => format!("no service `{service}` runs here"),
        (None, Some(pid)) => format!("process {pid} offers no socket of perfdeck"),
        (None, None) => "no service with perfdeck runs here that you may attach to".to_owned(),
    };
    let others: Vec<String> = socket::discover()
        .iter()
        .map(|found| format!("`{}`", found.service))
        .collect();
    if others.is_empty() {
        wanted
    } else {
        format!("{wanted}; there is {}", others.join(", "))
    }
}

fn ask(found: &[Found]) -> Result<usize> {
    let mut errors = io::stderr();
    writeln!(errors, "Which service?\n{}", listed(found)).context("could not ask")?;
    let mut line = String::new();
    loop {
        write!(errors, "1 to {}: ", found.len()).context("could not ask")?;
        errors.flush().context("could not ask")?;
        line.clear();
        if io::stdin()
            .lock()
            .read_line(&mut line)
            .context("could not read the answer")?
            == 0
        {
            bail!("no service was chosen");
        }
        match line.trim().parse::<usize>() {
            Ok(number) if (1..=found.len()).contains(&number) => return Ok(number - 1),
            _ => {}
        }
    }
}

fn listed(found: &[Found]) -> String {
    let lines = found.iter().enumerate().map(|(place, found)| {
        let service = printable(&found.service, 60);
        format!(
            "  {}  {service}  --pid {}  (uid {})",
            place + 1,
            found.pid,
            found.uid
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
