//! Whether the host's executable can name its functions.
//!
//! Only the list of an ELF file's sections is read, a bounded part; of every other format nobody can tell here.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// The most sections that are looked at.
const MAX_SECTIONS: usize = 256;
/// The size of a section's header in 64-bit ELF.
const SECTION: usize = 64;
/// The type of the section that holds the symbols.
const SYMTAB: u32 = 2;

/// Tells whether this process's executable has its table of symbols; `None` where nobody can tell.
pub(crate) fn has_symbols() -> Option<bool> {
    in_sections(&mut File::open("/proc/self/exe").ok()?)
}

fn in_sections(file: &mut (impl Read + Seek)) -> Option<bool> {
    let mut header = [0; 64];
    file.read_exact(&mut header).ok()?;
    // 64 bits, little end first.
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let start = u64::from_le_bytes(part(&header, 0x28)?);
    let size = u16::from_le_bytes(part(&header, 0x3a)?);
    let number = u16::from_le_bytes(part(&header, 0x3c)?);
    // No list at all is what `sstrip` leaves.
    if start == 0 || number == 0 {
        return Some(false);
    }
    if usize::from(size) != SECTION || usize::from(number) > MAX_SECTIONS {
        return None;
    }
    let mut sections = vec![0; usize::from(number) * SECTION];
    file.seek(SeekFrom::Start(start)).ok()?;
    file.read_exact(&mut sections).ok()?;
    let mut kinds = sections
        .chunks_exact(SECTION)
        .filter_map(|section| part(section, 4));
    Some(kinds.any(|kind| u32::from_le_bytes(kind) == SYMTAB))
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Makes a file with sections of these types behind its header.
    fn elf(kinds: &[u32]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x28] = 64;
        file[0x3a] = SECTION as u8;
        file[0x3c] = kinds.len() as u8;
        for kind in kinds {
            let mut section = [0; SECTION];
            section[4..8].copy_from_slice(&kind.to_le_bytes());
            file.extend(section);
        }
        file
    }

    #[test]
    fn symbols_are_known_by_their_section() {
        let check = |file: Vec<u8>, expected| {
            assert_eq!(in_sections(&mut Cursor::new(file)), expected);
        };
        check(elf(&[0, 1, 11, SYMTAB, 3]), Some(true));
        // Symbols for the dynamic linker alone (11) name none of the program's own functions.
        check(elf(&[0, 1, 11, 3]), Some(false));
        check(elf(&[]), Some(false));
        check(b"MZ".to_vec(), None);
        check(vec![b'#'; 100], None);
        let mut cut = elf(&[0, SYMTAB]);
        cut.truncate(100);
        check(cut, None);
        let mut big_end = elf(&[SYMTAB]);
        big_end[5] = 2;
        check(big_end, None);
    }

    #[test]
    #[cfg(all(
        target_os = "linux",
        target_pointer_width = "64",
        target_endian = "little"
    ))]
    fn this_test_has_symbols() {
        assert_eq!(has_symbols(), Some(true));
    }
}
