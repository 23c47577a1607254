//! A file of lines that grows at its end.
//!
//! Owner: one writer in one process. Always: each line is one write(2) with O_APPEND; the file ends
//! with a newline after it was opened, because a line that a kill had torn is cut off: what it
//! reported was never acted upon.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes looked at together when the last newline is searched from the end.
const TAIL_CHUNK_LEN: u64 = 64 * 1024;

#[derive(Debug)]
pub(super) struct LineFile {
    path: PathBuf,
    file: File,
}

impl LineFile {
    /// Opens or creates the file and cuts off a torn last line.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let in_path = |error| name(path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(in_path)?;
        cut_torn_line(&mut file).map_err(in_path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|error| name(&self.path, error))?.len())
    }

    /// Appends one line, its newline included, by one write.
    ///
    /// # Errors
    /// The system's, or a short write (a full disk): the line is torn then, and the next start cuts
    /// it off. Nothing may be appended after an error.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        debug_assert!(line.ends_with(b"\n"), "a line ends with a newline");
        let written = loop {
            match self.file.write(line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|error| name(&self.path, error))?,
            }
        };
        if written == line.len() {
            return Ok(());
        }
        let short = format!("only {written} of {} bytes written", line.len());
        Err(name(&self.path, io::Error::other(short)))
    }

    /// Calls `each` for every line from a byte offset on, without its newline.
    pub(super) fn for_each_line(
        &self,
        from: u64,
        each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let file = File::open(&self.path).map_err(|error| name(&self.path, error))?;
        for_each_line(file, from, each).map_err(|error| name(&self.path, error))
    }
}

/// Puts the file's name before what the system said.
pub(super) fn name(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

pub(super) fn for_each_line(
    mut file: File,
    from: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(TAIL_CHUNK_LEN as usize, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        // Without a newline it is a line still being written, or torn.
        match line.strip_suffix(b"\n") {
            Some(line) => each(line)?,
            None => return Ok(()),
        }
    }
}

fn cut_torn_line(file: &mut File) -> io::Result<()> {
    let len = file.metadata()?.len();
    let mut end = len;
    let mut chunk = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(TAIL_CHUNK_LEN);
        file.seek(SeekFrom::Start(start))?;
        chunk.clear();
        Read::by_ref(file)
            .take(end - start)
            .read_to_end(&mut chunk)?;
        if let Some(at) = chunk.iter().rposition(|byte| *byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < len {
        file.set_len(end)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(file: &LineFile, from: u64) -> Vec<String> {
        let mut lines = Vec::new();
        file.for_each_line(from, |line| {
            lines.push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        })
        .expect("reads");
        lines
    }

    #[test]
    fn given_a_torn_last_line_when_opened_should_cut_it_and_append_behind() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("lines");
        std::fs::write(&path, "one\ntwo\nthr").expect("a file");
        let mut file = LineFile::open(&path).expect("opens");
        assert_eq!(file.len().expect("has a length"), 8);
        file.append(b"four\n").expect("appends");
        assert_eq!(lines(&file, 0), ["one", "two", "four"]);
        assert_eq!(lines(&file, 4), ["two", "four"]);
    }

    #[test]
    fn given_a_torn_line_longer_than_a_chunk_when_opened_should_find_its_start() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("lines");
        let long = "x".repeat(TAIL_CHUNK_LEN as usize * 2 + 7);
        std::fs::write(&path, format!("one\n{long}")).expect("a file");
        assert_eq!(lines(&LineFile::open(&path).expect("opens"), 0), ["one"]);
        std::fs::write(&path, &long).expect("a file");
        let file = LineFile::open(&path).expect("opens");
        assert_eq!(file.len().expect("has a length"), 0);
    }

    #[test]
    fn given_a_whole_file_when_opened_should_leave_it_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("lines");
        std::fs::write(&path, "one\ntwo\n").expect("a file");
        assert_eq!(
            lines(&LineFile::open(&path).expect("opens"), 0),
            ["one", "two"]
        );
    }

    #[test]
    fn given_a_path_that_cannot_be_when_opened_should_name_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let error = LineFile::open(&dir.path().join("none/lines")).expect_err("refused");
        assert!(error.to_string().contains("none/lines"), "{error}");
    }
}
