//! Where this process is connected to, as the kernel tells it: how the doctor learns of a server that nobody wrapped.
//!
//! Linux only, and bounded: of long tables only the beginning is read, so that what is found is there, and what is not
//! found may be.

use std::fs::{self, File};
use std::io::Read as _;

/// The most bytes read of one of the kernel's tables: about 1,700 connections.
const TABLE: u64 = 256 * 1024;
/// The most open files that are looked at.
const MAX_FILES: usize = 4_096;
/// The state of a connection that is established.
const ESTABLISHED: &str = "01";

/// Counts this process's TCP connections to a port; `None` where the kernel does not tell.
pub(crate) fn number_to(port: u16) -> Option<usize> {
    let mut inodes = Vec::new();
    let mut told = false;
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        let Ok(file) = File::open(table) else {
            continue;
        };
        let mut rows = Vec::new();
        if file.take(TABLE).read_to_end(&mut rows).is_ok() {
            told = true;
            inodes.extend(inodes_to(port, &String::from_utf8_lossy(&rows)));
        }
    }
    if inodes.is_empty() {
        return told.then_some(0);
    }
    // The tables are the whole machine's; the process's own sockets are among its open files.
    let files = fs::read_dir("/proc/self/fd").ok()?;
    let own = files.flatten().take(MAX_FILES).filter(|file| {
        let target = fs::read_link(file.path()).unwrap_or_default();
        let inode = target.to_str().and_then(inode_of);
        inode.is_some_and(|inode| inodes.contains(&inode))
    });
    Some(own.count())
}

/// Reads the inodes of established connections to a port from one of the kernel's tables.
fn inodes_to(port: u16, table: &str) -> Vec<u64> {
    let remote = format!(":{port:04X}");
    let rows = table.lines().skip(1).filter_map(|row| {
        let fields: Vec<&str> = row.split_ascii_whitespace().collect();
        let wanted = fields.get(2)?.ends_with(&remote) && fields.get(3) == Some(&ESTABLISHED);
        let inode = fields.get(9)?.parse().ok()?;
        (wanted && inode > 0).then_some(inode)
    });
    rows.collect()
}

/// Reads `socket:[123]`.
fn inode_of(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    #[test]
    fn a_row_counts_by_its_far_end_and_its_state() {
        let check = |row: &str, expected: &[u64]| {
            assert_eq!(
                inodes_to(6379, &format!("{HEAD}{row}\n")),
                expected,
                "{row}"
            );
        };
        let rest = "00000000:00000000 00:00000000 00000000  1000        0";
        check(
            &format!("0: 0100007F:A1B2 0100007F:18EB 01 {rest} 4711 1 0"),
            &[4711],
        );
        // Its own server's end, one that is closing, another port, one without a file, and what is cut.
        check(
            &format!("0: 0100007F:18EB 0100007F:A1B2 01 {rest} 4711"),
            &[],
        );
        check(
            &format!("0: 0100007F:A1B2 0100007F:18EB 08 {rest} 4711"),
            &[],
        );
        check(
            &format!("0: 0100007F:A1B2 0100007F:18EC 01 {rest} 4711"),
            &[],
        );
        check(&format!("0: 0100007F:A1B2 0100007F:18EB 01 {rest} 0"), &[]);
        check("0: 0100007F:A1B2 0100007F:18EB 01", &[]);
        let six =
            "0: 00000000000000000000000001000000:A1B2 00000000000000000000000001000000:18EB 01";
        check(&format!("{six} {rest} 4712"), &[4712]);
        assert_eq!(inodes_to(6379, ""), [0; 0]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_of_this_process_is_counted_until_it_is_closed() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(server) = std::net::TcpListener::bind(host) else {
                // A machine without IPv6.
                continue;
            };
            let address = server.local_addr().unwrap();
            assert_eq!(number_to(address.port()), Some(0));
            let client = std::net::TcpStream::connect(address).unwrap();
            assert_eq!(number_to(address.port()), Some(1));
            drop(client);
            assert_eq!(number_to(address.port()), Some(0));
        }
    }
}
