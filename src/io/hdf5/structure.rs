//! HDF5's object headers and the links of its groups (HDF5 File Format Specification 3.0, III.A to III.C, IV.A): the library
//! that reads datasets passes over links that are no hard ones, and layouts that HDF5 2.0 writes.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    io,
    rc::Rc,
    sync::Arc,
};

use hdf5_pure::Superblock;

use super::{bytes::Bytes, dense};
use crate::io::global_heap::lookup3;

/// What a name in a group leads to.
#[derive(Clone, Debug)]
pub(super) enum Link {
    /// The object at an address.
    Hard(u64),
    /// A path in this file.
    Soft(String),
    /// A path in another file.
    External { file: String, path: String },
    /// Something else.
    Other,
}

/// Where a path leads.
pub(super) enum Found {
    /// To the object that the hard links of `path` name.
    Here {
        path: String,
        address: u64,
    },
    /// Into another file: to `path` there, and then along the `rest` of what was asked for, such as `/name`.
    Elsewhere {
        file: String,
        path: String,
        rest: String,
    },
    /// To a link that itself leads nowhere; why.
    Broken(String),
    Nothing,
}

/// Kinds of messages in an object header.
const LINK_INFO: u16 = 2;
const LINK: u16 = 6;
const LAYOUT: u16 = 8;
const GROUP_INFO: u16 = 10;
const CONTINUATION: u16 = 16;
const SYMBOL_TABLE: u16 = 17;
/// Links that are followed on one way, parts of a header, nodes of a tree: more are a broken file.
const MOST_LINKS: usize = 32;
const MOST_PARTS: usize = 1000;
const MOST_NODES: usize = 100_000;

/// The structure of a file.
pub(super) struct Structure {
    pub(super) bytes: Arc<Bytes>,
    /// What addresses count from.
    base: u64,
    /// Bytes of an address, of a length.
    pub(super) offset: usize,
    pub(super) length: usize,
    pub(super) root: u64,
    /// The links of the groups that were looked at.
    known: RefCell<HashMap<u64, Option<Links>>>,
}

/// Names in a group, and what they lead to.
pub(super) type Links = Rc<[(String, Link)]>;

struct Message {
    kind: u16,
    /// Where the body lies in the file, and in which part of the header.
    at: u64,
    part: usize,
    body: Vec<u8>,
}

/// An object header: its messages, and the parts with a checksum at their end.
struct Header {
    messages: Vec<Message>,
    parts: Vec<(u64, u64)>,
}

pub(super) fn odd() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

/// Reads fields one after the other.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(odd)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of `width` bytes, at most 8.
    pub(super) fn number(&mut self, width: usize) -> io::Result<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// An address; none where all its bits are set.
    pub(super) fn address(&mut self, width: usize) -> io::Result<Option<u64>> {
        let undefined = u64::MAX >> (64 - 8 * width.clamp(1, 8));
        Ok(Some(self.number(width)?).filter(|address| *address != undefined))
    }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

impl Structure {
    pub(super) fn new(bytes: Arc<Bytes>, superblock: &Superblock) -> Self {
        let base = superblock.base_address.get();
        Self {
            bytes,
            base,
            offset: usize::from(superblock.offset_size).clamp(1, 8),
            length: usize::from(superblock.length_size).clamp(1, 8),
            // The library counts this one address from the file's start.
            root: superblock.root_group_address.saturating_sub(base),
            known: RefCell::default(),
        }
    }

    /// `count` bytes at an address of the file's.
    pub(super) fn at(&self, address: u64, count: u64) -> io::Result<Vec<u8>> {
        self.bytes.take(self.base.checked_add(address).ok_or_else(odd)?, count)
    }

    fn header(&self, address: u64) -> io::Result<Header> {
        let mut header = Header { messages: Vec::new(), parts: Vec::new() };
        let start = self.base.checked_add(address).ok_or_else(odd)?;
        let prefix = self.bytes.take(start, 16)?;
        let second = prefix.starts_with(b"OHDR");
        let mut ordered = false;
        // Each part: where it starts, and its messages' first byte and length.
        let mut parts = VecDeque::new();
        if second {
            let flags = prefix[5];
            ordered = flags & 4 != 0;
            let skipped = 6 + if flags & 0x20 == 0 { 0 } else { 16 } + if flags & 0x10 == 0 { 0 } else { 4 };
            let width = 1 << (flags & 3);
            let size = Fields(&self.bytes.take(start + skipped, width)?).number(width as usize)?;
            parts.push_back((start, start + skipped + width, size));
        } else if prefix[0] == 1 {
            parts.push_back((start, start + 16, Fields(&prefix[8..]).number(4)?));
        } else {
            return Err(odd());
        }
        while let Some((from, at, size)) = parts.pop_front() {
            if header.parts.len() == MOST_PARTS {
                return Err(odd());
            }
            let all = self.bytes.take(at, size)?;
            let part = header.parts.len();
            header.parts.push((from, if second { (at + size).saturating_sub(from) } else { 0 }));
            let mut fields = Fields(&all);
            let head = if second { 4 + if ordered { 2 } else { 0 } } else { 8 };
            while fields.0.len() >= head {
                let mut of_message = Fields(fields.take(head)?);
                let kind = of_message.number(if second { 1 } else { 2 })? as u16;
                let count = of_message.number(2)? as usize;
                let at = at + (all.len() - fields.0.len()) as u64;
                let Ok(body) = fields.take(count) else { break };
                if kind == CONTINUATION {
                    let mut place = Fields(body);
                    let (next, size) = (place.number(self.offset)?, place.number(self.length)?);
                    let next = self.base.checked_add(next).ok_or_else(odd)?;
                    // `OCHK` before, a checksum behind.
                    let (before, around) = if second { (4, 8) } else { (0, 0) };
                    parts.push_back((next, next.saturating_add(before), size.checked_sub(around).ok_or_else(odd)?));
                }
                header.messages.push(Message { kind, at, part, body: body.to_vec() });
            }
        }
        Ok(header)
    }

    /// Whether there is a dataset at the address; its layout is brought to a version that the library knows.
    pub(super) fn is_dataset(&self, address: u64) -> io::Result<bool> {
        let header = self.header(address)?;
        let Some(layout) = header.messages.iter().find(|message| message.kind == LAYOUT) else { return Ok(false) };
        if layout.body.first() == Some(&5) {
            // Version 5 differs in that lengths of filtered chunks have the file's width, which their index tells too.
            let (start, length) = header.parts[layout.part];
            let mut part = self.bytes.take(start, length)?;
            if let Some(version) = part.get_mut((layout.at - start) as usize) {
                *version = 4;
                self.bytes.lay_over(layout.at, &[4]);
                self.bytes.lay_over(start + length, &lookup3(&part).to_le_bytes());
            }
        }
        Ok(true)
    }

    /// The links of the group at the address; none if it is no group.
    pub(super) fn links(&self, address: u64) -> io::Result<Option<Links>> {
        if let Some(links) = self.known.borrow().get(&address) {
            return Ok(links.clone());
        }
        let links = self.read_links(address)?.map(Links::from);
        self.known.borrow_mut().insert(address, links.clone());
        Ok(links)
    }

    fn read_links(&self, address: u64) -> io::Result<Option<Vec<(String, Link)>>> {
        let header = self.header(address)?;
        let mut links = Vec::new();
        let mut group = false;
        for message in &header.messages {
            let mut fields = Fields(&message.body);
            match message.kind {
                LINK => links.push(self.link(&message.body)?),
                LINK_INFO => {
                    let flags = fields.take(2)?[1];
                    fields.take(if flags & 1 == 0 { 0 } else { 8 })?;
                    if let (Some(heap), Some(names)) = (fields.address(self.offset)?, fields.address(self.offset)?) {
                        for body in dense::objects(self, heap, names)? {
                            links.push(self.link(&body)?);
                        }
                    }
                }
                SYMBOL_TABLE => {
                    let (tree, heap) = (fields.number(self.offset)?, fields.number(self.offset)?);
                    self.symbols(tree, heap, &mut links)?;
                }
                GROUP_INFO => {}
                _ => continue,
            }
            group = true;
        }
        Ok(group.then_some(links))
    }

    /// A link message.
    fn link(&self, body: &[u8]) -> io::Result<(String, Link)> {
        let mut fields = Fields(body);
        let flags = fields.take(2)?[1];
        let kind = if flags & 8 == 0 { 0 } else { fields.number(1)? };
        fields.take(if flags & 4 == 0 { 0 } else { 8 })?;
        fields.take(if flags & 16 == 0 { 0 } else { 1 })?;
        let length = fields.number(1 << (flags & 3))?;
        let name = text(fields.take(usize::try_from(length).map_err(io::Error::other)?)?);
        let link = match kind {
            0 => Link::Hard(fields.number(self.offset)?),
            1 | 64 => {
                let length = fields.number(2)? as usize;
                let value = fields.take(length)?;
                match value {
                    _ if kind == 1 => Link::Soft(text(value)),
                    [_, names @ ..] => {
                        let file = text(names);
                        let path = text(names.get(file.len() + 1..).unwrap_or_default());
                        Link::External { file, path }
                    }
                    [] => Link::Other,
                }
            }
            _ => Link::Other,
        };
        Ok((name, link))
    }

    /// The links of an older group: a tree of nodes of symbols, whose names lie in a heap.
    fn symbols(&self, tree: u64, heap: u64, links: &mut Vec<(String, Link)>) -> io::Result<()> {
        let head = self.at(heap, (8 + 2 * self.length + self.offset) as u64)?;
        let mut fields = Fields(&head);
        if fields.take(8)?.get(..4) != Some(b"HEAP") {
            return Err(odd());
        }
        let size = fields.number(self.length)?;
        fields.take(self.length)?;
        let names = self.at(fields.number(self.offset)?, size)?;
        let name = |at: u64| usize::try_from(at).ok().and_then(|at| names.get(at..)).map(text).ok_or_else(odd);
        let mut nodes = vec![tree];
        let mut seen = 0;
        while let Some(node) = nodes.pop() {
            seen += 1;
            if seen > MOST_NODES {
                return Err(odd());
            }
            let head = self.at(node, 8)?;
            let count = u64::from(u16::from_le_bytes([head[6], head[7]]));
            if head.starts_with(b"TREE") && head[4] == 0 {
                let start = (8 + 2 * self.offset) as u64;
                let keys = self.at(node, start + count * (self.length + self.offset) as u64)?;
                let mut fields = Fields(&keys[start as usize..]);
                let first = nodes.len();
                for _ in 0..count {
                    fields.take(self.length)?;
                    nodes.push(fields.number(self.offset)?);
                }
                nodes[first..].reverse();
            } else if head.starts_with(b"SNOD") {
                let entries = self.at(node, 8 + count * (2 * self.offset + 24) as u64)?;
                let mut fields = Fields(&entries[8..]);
                for _ in 0..count {
                    let of = name(fields.number(self.offset)?)?;
                    let address = fields.number(self.offset)?;
                    let kind = fields.number(4)?;
                    fields.take(4)?;
                    let target = Fields(fields.take(16)?).number(4)?;
                    links.push((of, if kind == 2 { Link::Soft(name(target)?) } else { Link::Hard(address) }));
                }
            } else {
                return Err(odd());
            }
        }
        Ok(())
    }

    /// Follows a path from the root, through the links on its way.
    pub(super) fn find(&self, path: &str) -> io::Result<Found> {
        let names = |path: &str| -> VecDeque<String> {
            path.split('/').filter(|name| !name.is_empty() && *name != ".").map(str::to_string).collect()
        };
        let mut rest = names(path);
        let (mut address, mut here) = (self.root, Vec::new());
        let mut followed = Vec::new();
        // How many of the names at the front of `rest` are links', and not of the path that was asked for.
        let mut of_links = 0_usize;
        while let Some(name) = rest.pop_front() {
            let of_link = of_links > 0;
            of_links = of_links.saturating_sub(1);
            let links = self.links(address)?;
            let link = links.and_then(|links| links.iter().find(|(of, _)| *of == name).map(|(_, link)| link.clone()));
            match link {
                Some(Link::Hard(next)) => {
                    address = next;
                    here.push(name);
                }
                Some(Link::Soft(target)) => {
                    let mut way = names(&target);
                    of_links += way.len();
                    way.append(&mut rest);
                    if !target.starts_with('/') {
                        of_links += here.len();
                        here.drain(..).rev().for_each(|name| way.push_front(name));
                    }
                    here.clear();
                    (address, rest) = (self.root, way);
                    followed.push(target);
                    if followed.len() > MOST_LINKS {
                        return Ok(Found::Broken("links that lead in a circle".into()));
                    }
                }
                Some(Link::External { file, path }) => {
                    let mut tail = rest.iter().map(|name| format!("/{name}"));
                    let path = path + &tail.by_ref().take(of_links).collect::<String>();
                    return Ok(Found::Elsewhere { file, path, rest: tail.collect() });
                }
                Some(Link::Other) => return Ok(Found::Broken("a link of a kind that cannot be followed".into())),
                None => {
                    return Ok(match followed.last() {
                        Some(target) if of_link => Found::Broken(format!("a link to {target}, where nothing is")),
                        _ => Found::Nothing,
                    });
                }
            }
        }
        Ok(Found::Here { path: here.join("/"), address })
    }
}
