//! Directives and tags.

use super::{Mark, Scanner, Tok, is_alpha, scan_error};
use crate::error::Error;

impl Scanner<'_> {
    pub(super) fn scan_directive(&mut self) -> Result<(), Error> {
        let mark = self.cursor.mark();
        self.cursor.skip(1);
        let name = self.alpha_run();
        if name.is_empty() {
            return Err(self.problem(mark, "could not find expected directive name"));
        }
        if !self.cursor.is_blankz(0) {
            return Err(self.problem(mark, "found unexpected non-alphabetical character"));
        }
        let tok = match name.as_str() {
            "YAML" => {
                self.skip_blanks();
                let major = self.version_number(mark)?;
                if self.cursor.at(0) != b'.' {
                    let message = "did not find expected digit or '.' character";
                    return Err(self.problem(mark, message));
                }
                self.cursor.skip(1);
                Tok::VersionDirective(major, self.version_number(mark)?)
            }
            "TAG" => {
                self.skip_blanks();
                let handle = self.tag_handle(true, mark)?;
                if !self.cursor.is_blank(0) {
                    return Err(self.problem(mark, "did not find expected whitespace"));
                }
                self.skip_blanks();
                let prefix = self.tag_uri("", mark)?;
                if !self.cursor.is_blankz(0) {
                    let message = "did not find expected whitespace or line break";
                    return Err(self.problem(mark, message));
                }
                Tok::TagDirective(Box::new((handle, prefix)))
            }
            _ => return Err(self.problem(mark, "found unknown directive name")),
        };
        self.skip_blanks();
        if self.cursor.at(0) == b'#' {
            self.cursor.skip_to_break();
        }
        if !self.cursor.is_breakz(0) {
            let message = "did not find expected comment or line break";
            return Err(self.problem(mark, message));
        }
        if !self.cursor.is_end() {
            self.cursor.take_break();
        }
        self.push(tok, mark);
        Ok(())
    }

    fn version_number(&mut self, mark: Mark) -> Result<u8, Error> {
        let mut value = 0u8;
        let mut length = 0;
        while self.cursor.at(0).is_ascii_digit() {
            length += 1;
            if length > 2 {
                return Err(self.problem(mark, "found extremely long version number"));
            }
            value = value * 10 + (self.cursor.at(0) - b'0');
            self.cursor.skip(1);
        }
        if length == 0 {
            return Err(self.problem(mark, "did not find expected version number"));
        }
        Ok(value)
    }

    pub(super) fn scan_tag(&mut self) -> Result<(), Error> {
        let mark = self.cursor.mark();
        let (handle, suffix) = if self.cursor.at(1) == b'<' {
            self.cursor.skip(2);
            let suffix = self.tag_uri("", mark)?;
            if self.cursor.at(0) != b'>' {
                return Err(self.problem(mark, "did not find the expected '>'"));
            }
            self.cursor.skip(1);
            (String::new(), suffix)
        } else {
            let handle = self.tag_handle(false, mark)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.tag_uri("", mark)?;
                (handle, suffix)
            } else {
                let suffix = self.tag_uri(&handle, mark)?;
                if suffix.is_empty() {
                    (String::new(), "!".to_owned())
                } else {
                    ("!".to_owned(), suffix)
                }
            }
        };
        if !self.cursor.is_blankz(0) {
            let message = "did not find expected whitespace or line break";
            return Err(self.problem(mark, message));
        }
        self.push(Tok::Tag(Box::new((handle, suffix))), mark);
        Ok(())
    }

    fn tag_handle(&mut self, directive: bool, mark: Mark) -> Result<String, Error> {
        if self.cursor.at(0) != b'!' {
            return Err(self.problem(mark, "did not find expected '!'"));
        }
        self.cursor.skip(1);
        let mut handle = format!("!{}", self.alpha_run());
        if self.cursor.at(0) == b'!' {
            self.cursor.skip(1);
            handle.push('!');
        } else if directive && handle != "!" {
            return Err(self.problem(mark, "did not find expected '!'"));
        }
        Ok(handle)
    }

    fn tag_uri(&mut self, head: &str, mark: Mark) -> Result<String, Error> {
        let mut uri: Vec<u8> = head.bytes().skip(1).collect();
        let mut any = !head.is_empty();
        loop {
            let byte = self.cursor.at(0);
            if byte == b'%' {
                let hex = |offset| (self.cursor.at(offset) as char).to_digit(16);
                let (Some(high), Some(low)) = (hex(1), hex(2)) else {
                    return Err(self.problem(mark, "did not find URI escaped octet"));
                };
                uri.push((high << 4 | low) as u8);
                self.cursor.skip(3);
            } else if is_alpha(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) {
                uri.push(byte);
                self.cursor.skip(1);
            } else {
                break;
            }
            any = true;
        }
        if !any {
            return Err(self.problem(mark, "did not find expected tag URI"));
        }
        String::from_utf8(uri)
            .map_err(|_| self.problem(mark, "found an incorrect leading UTF-8 octet"))
    }

    fn alpha_run(&mut self) -> String {
        let from = self.cursor.pos();
        while is_alpha(self.cursor.at(0)) {
            self.cursor.skip(1);
        }
        self.cursor.slice(from, self.cursor.pos()).to_owned()
    }

    fn skip_blanks(&mut self) {
        while self.cursor.is_blank(0) {
            self.cursor.skip(1);
        }
    }

    fn problem(&mut self, context: Mark, message: &str) -> Error {
        scan_error(self.cursor.mark(), context, message)
    }
}
