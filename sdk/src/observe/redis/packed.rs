//! A request as it goes to Redis, read back for the names of its commands: a synchronous connection is handed nothing else.

/// Packed commands, one after the other; gives the first word of each, and ends at what is none.
#[derive(Debug, Clone)]
pub(super) struct Packed<'p>(pub(super) &'p [u8]);

impl<'p> Iterator for Packed<'p> {
    type Item = &'p [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.command();
        if name.is_none() {
            self.0 = &[];
        }
        name
    }
}

impl<'p> Packed<'p> {
    /// Reads `*2 $3 GET $1 a`, each with a line's end.
    fn command(&mut self) -> Option<&'p [u8]> {
        let parts = self.number(b'*')?;
        let name = self.part()?;
        for _ in 1..parts {
            self.part()?;
        }
        Some(name)
    }

    fn part(&mut self) -> Option<&'p [u8]> {
        let length = self.number(b'$')?;
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest.strip_prefix(b"\r\n")?;
        Some(part)
    }

    fn number(&mut self, kind: u8) -> Option<usize> {
        let rest = self.0.strip_prefix(&[kind])?;
        let length = rest.iter().position(|byte| *byte == b'\r')?;
        let (digits, rest) = rest.split_at_checked(length)?;
        self.0 = rest.strip_prefix(b"\r\n")?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redis::{cmd, pipe};

    use super::*;

    fn names(packed: &[u8]) -> Vec<String> {
        let names = Packed(packed).take(100);
        names
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }

    #[test]
    fn the_names_of_what_redis_rs_packs_are_read() {
        let mut one = cmd("SET");
        one.arg("a\r\n*1\r\n$4\r\nEVIL\r\n")
            .arg(&[0_u8, 255, 13][..]);
        assert_eq!(names(&one.get_packed_command()), ["SET"]);
        let mut many = pipe();
        many.atomic()
            .cmd("GET")
            .arg("")
            .add_command(one)
            .cmd("PING");
        let packed = many.get_packed_pipeline();
        assert_eq!(names(&packed), ["MULTI", "GET", "SET", "PING", "EXEC"]);
        assert_eq!(names(&pipe().get_packed_pipeline()), [""; 0]);
    }

    #[test]
    fn what_is_no_command_ends_it() {
        for packed in [
            "PING\r\n",
            "*1\r\n$4\r\nPING",
            "*1\r\n$-1\r\n",
            "*99999999999999999999\r\n$4\r\nPING\r\n",
            "*1\r\n$18446744073709551615\r\nPING\r\n",
            "*2\r\n$4\r\nPING\r\n",
            "*1",
        ] {
            assert_eq!(names(packed.as_bytes()), [""; 0], "{packed}");
        }
        assert_eq!(names(b"*1\r\n$4\r\nPING\r\n*x"), ["PING"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_go_on(bytes: Vec<u8>) {
            prop_assert!(Packed(&bytes).count() <= bytes.len());
        }

        #[test]
        fn all_names_are_read(commands: Vec<(String, Vec<Vec<u8>>)>) {
            let mut many = pipe();
            for (name, arguments) in &commands {
                many.cmd(name).arg(arguments);
            }
            let packed = many.get_packed_pipeline();
            let read: Vec<_> = Packed(&packed).collect();
            let sent: Vec<_> = commands.iter().map(|(name, _)| name.as_bytes()).collect();
            prop_assert_eq!(read, sent);
        }
    }
}
