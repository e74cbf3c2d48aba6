use std::fs;

use crate::protocol::Role;
use crate::socket;

/// Decides by the kernel's word on a peer what it may do at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    host: u32,
    /// The uid that stands for every user whom this process's namespace doesn't know; `None` where it knows all.
    stranger: Option<u32>,
}

impl Gate {
    pub(super) fn of_this_process() -> Self {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let overflow = fs::read_to_string("/proc/sys/kernel/overflowuid").unwrap_or_default();
        Self {
            host: socket::my_uid(),
            stranger: stranger(&map, &overflow),
        }
    }

    pub(super) fn right(&self, peer: u32) -> Option<Role> {
        // A stranger may be anyone, even where the host itself runs under the same number.
        if Some(peer) == self.stranger {
            None
        } else if peer == self.host {
            Some(Role::Control)
        } else if peer == 0 {
            Some(Role::Observe)
        } else {
            None
        }
    }
}

fn stranger(map: &str, overflow: &str) -> Option<u32> {
    const NOBODY: u32 = 65_534;
    let mut fields = map.split_ascii_whitespace();
    let knows_all = fields.next() == Some("0")
        && fields.next() == Some("0")
        && fields.next() == Some("4294967295");
    (!knows_all).then(|| overflow.trim().parse().unwrap_or(NOBODY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_controls_and_only_root_observes() {
        let check = |host, stranger, peer, expected| {
            let gate = Gate { host, stranger };
            assert_eq!(gate.right(peer), expected, "{gate:?} {peer}");
        };
        check(1000, None, 1000, Some(Role::Control));
        check(1000, None, 0, Some(Role::Observe));
        check(1000, None, 1001, None);
        check(1000, None, 65_534, None);
        check(0, None, 0, Some(Role::Control));
        check(0, None, 1000, None);
        // A service that runs as nobody, in a namespace that knows everybody.
        check(65_534, None, 65_534, Some(Role::Control));
        // The same number where it may be anybody.
        check(65_534, Some(65_534), 65_534, None);
        check(65_534, Some(65_534), 0, Some(Role::Observe));
        check(0, Some(65_534), 65_534, None);
    }

    #[test]
    fn a_namespace_that_does_not_know_everybody_has_a_stranger() {
        let check = |map, overflow, expected| {
            assert_eq!(stranger(map, overflow), expected, "{map:?} {overflow:?}");
        };
        check("         0          0 4294967295\n", "65534\n", None);
        check(
            "         0     100000      65536\n",
            "65534\n",
            Some(65_534),
        );
        check("         0     100000      65536\n", "77\n", Some(77));
        check("1000 1000 1\n", "", Some(65_534));
        check("", "", Some(65_534));
    }
}
