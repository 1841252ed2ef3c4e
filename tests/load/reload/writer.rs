//! Writes generations of policies in all the ways that editors, copying tools and kubelet do, bad ones among them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// What the server waits for at least; a writer that stands still for less is never read half done.
const SAFE_GAP: Duration = Duration::from_millis(150);

/// The policies of both gates; they see the generation in four places.
const POLICIES: [(&str, &str); 2] = [
    (
        "validate.rego",
        r#"package kubernetes.admission.guard
deny contains data.lib.text.of(input.regate.revision)
"#,
    ),
    (
        "authz.rego",
        r#"package kubernetes.authorization.guard
deny contains data.lib.text.of(input.regate.revision)
"#,
    ),
];

const TEXT: &str = r#"package lib.text
of(revision) := sprintf("%d %d %d %d of %s", [data.lib.one.gen, data.lib.two.gen, data.lib.three.gen, data.gen, revision])
"#;

/// Files that are the same in every generation.
fn constant() -> impl Iterator<Item = (&'static str, &'static str)> {
    POLICIES.into_iter().chain([("lib/text.rego", TEXT)])
}

/// The files of a generation, below the server's directory.
pub(super) fn files(generation: usize) -> Vec<(String, String)> {
    let constant = constant().map(|(name, text)| (name, text.to_owned()));
    let files = constant.chain(numbered(generation));
    files
        .map(|(name, text)| (format!("policies/{name}"), text))
        .collect()
}

/// The files that differ between generations.
fn numbered(generation: usize) -> [(&'static str, String); 4] {
    let library = |name: &str| format!("package lib.{name}\ngen := {generation}\n");
    [
        ("lib/one.rego", library("one")),
        ("lib/two.rego", library("two")),
        ("lib/three.rego", library("three")),
        ("data.json", format!("{{\"gen\": {generation}}}")),
    ]
}

pub(super) struct Writer {
    directory: PathBuf,
    /// The last that was written.
    pub(super) generation: usize,
    /// Generations with something wrong in them.
    pub(super) bad: BTreeSet<u64>,
    /// Generations between whose files the writer stood still for too long.
    pub(super) torn: BTreeSet<u64>,
    /// How long it took at most until one was served.
    pub(super) slowest: Duration,
    last: Instant,
    gap: Duration,
}

impl Writer {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            generation: 0,
            bad: BTreeSet::new(),
            torn: BTreeSet::new(),
            slowest: Duration::ZERO,
            last: Instant::now(),
            gap: Duration::ZERO,
        }
    }

    /// How many milliseconds pass before the next change.
    pub(super) fn pause(&self) -> u64 {
        [0, 5, 500, 20, 350, 1, 80][self.generation % 7]
    }

    /// Writes the next generation, good or bad, and says which.
    pub(super) fn change(&mut self) -> bool {
        // Among those that are waited for, too.
        if self.generation % 30 == 19 {
            self.nothing();
            return false;
        }
        if self.generation % 4 == 1 {
            self.bad();
            return false;
        }
        self.good();
        true
    }

    pub(super) fn good(&mut self) {
        self.begin();
        for (name, text) in constant() {
            if !self.directory.join(name).exists() {
                fs::write(self.directory.join(name), text).unwrap();
            }
        }
        let files = numbered(self.generation);
        match self.generation % 5 {
            0 => files.iter().for_each(|(name, text)| self.in_place(name, text)),
            1 => files
                .iter()
                .rev()
                .for_each(|(name, text)| self.slowly(name, text)),
            2 => files.iter().for_each(|(name, text)| self.renamed(name, text)),
            3 => self.anew(&files),
            _ => self.swapped(&files),
        }
        self.end();
    }

    /// Leaves no file at all.
    fn nothing(&mut self) {
        self.begin();
        self.bad.insert(self.number());
        for (name, _) in constant()
            .map(|(name, text)| (name, text.to_owned()))
            .chain(numbered(0))
        {
            self.step();
            self.remove(name);
        }
        self.end();
    }

    fn remove(&self, name: &str) {
        let file = self.directory.join(name);
        if file.symlink_metadata().is_ok() {
            fs::remove_file(file).unwrap();
        }
    }

    /// Something is wrong in one of the files that the next generation writes anew.
    fn bad(&mut self) {
        self.begin();
        self.bad.insert(self.number());
        let mut files = numbered(self.generation);
        let broken = match self.generation % 5 {
            0 => "package lib.two\ngen := \n",
            1 => "package lib.two\ngen := lowr(\"x\")\n",
            2 => "package lib.two\ngen := missing\n",
            // The data of this generation lies over a rule.
            3 => {
                files[3].1 = format!(
                    "{{\"gen\": {0}, \"lib\": {{\"one\": {{\"gen\": {0}}}}}}}",
                    self.generation
                );
                &files[1].1.clone()
            }
            _ => "",
        };
        files[1].1 = broken.to_owned();
        // What is wrong comes first: until the last file is there, no part of this may be a set of its own.
        files.swap(0, 1);
        let data = files[3].clone();
        self.in_place(data.0, &data.1);
        files[..3]
            .iter()
            .for_each(|(name, text)| self.in_place(name, text));
        self.end();
    }

    fn begin(&mut self) {
        self.generation += 1;
        (self.last, self.gap) = (Instant::now(), Duration::ZERO);
    }

    /// Notes whether the files rested before all were written.
    fn end(&mut self) {
        self.step();
        if self.gap >= SAFE_GAP {
            self.torn.insert(self.number());
        }
    }

    fn number(&self) -> u64 {
        u64::try_from(self.generation).unwrap()
    }

    fn step(&mut self) {
        self.gap = self.gap.max(self.last.elapsed());
        self.last = Instant::now();
    }

    /// Truncated and written at once.
    fn in_place(&mut self, name: &str, text: &str) {
        self.step();
        fs::write(self.real(name), text).unwrap();
    }

    /// Truncated, and written piece by piece with gaps.
    fn slowly(&mut self, name: &str, text: &str) {
        self.step();
        let mut file = fs::File::create(self.real(name)).unwrap();
        for piece in text.as_bytes().chunks(10) {
            thread::park_timeout(Duration::from_millis(3));
            self.step();
            file.write_all(piece).unwrap();
        }
    }

    /// Written beside it and renamed over it, a good while after the one before.
    fn renamed(&mut self, name: &str, text: &str) {
        thread::park_timeout(Duration::from_millis(40));
        self.step();
        let (real, beside) = (self.real(name), self.directory.join(".beside"));
        fs::write(&beside, text).unwrap();
        fs::rename(beside, real).unwrap();
    }

    /// All removed, then written again in plain files.
    fn anew(&mut self, files: &[(&str, String)]) {
        for (name, _) in files {
            self.step();
            self.remove(name);
        }
        for (name, text) in files {
            self.step();
            fs::write(self.directory.join(name), text).unwrap();
        }
    }

    /// As kubelet's atomic writer: a new directory behind the link that all files are seen through.
    fn swapped(&mut self, files: &[(&str, String)]) {
        let version = format!("..{}", self.generation);
        for (name, text) in files {
            let file = self.directory.join(&version).join(name.replace('/', "_"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let links = self.directory.join("..data");
        let old = fs::read_link(&links);
        symlink(&version, self.directory.join("..next")).unwrap();
        fs::rename(self.directory.join("..next"), &links).unwrap();
        for (name, _) in files {
            self.step();
            self.link(name);
        }
        if let Ok(old) = old {
            fs::remove_dir_all(self.directory.join(old)).unwrap();
        }
    }

    /// Makes a file a link into what is swapped, if it is none.
    fn link(&self, name: &str) {
        let (file, up) = (self.directory.join(name), "../".repeat(name.matches('/').count()));
        if !file.is_symlink() {
            let beside = self.directory.join(".link");
            symlink(format!("{up}..data/{}", name.replace('/', "_")), &beside).unwrap();
            fs::rename(beside, file).unwrap();
        }
    }

    /// Where a file is written: not through a link, which belongs to the swaps.
    fn real(&self, name: &str) -> PathBuf {
        let file: &Path = &self.directory.join(name);
        if file.is_symlink() {
            fs::remove_file(file).unwrap();
        }
        file.to_owned()
    }
}
