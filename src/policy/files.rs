//! stand-in until the real one lands
pub struct RegoFile {
    pub path: String,
    pub text: String,
    pub is_test: bool,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Json,
    Yaml,
}
pub struct DataFile {
    pub path: String,
    pub at: Vec<String>,
    pub format: Format,
    pub bytes: Vec<u8>,
}
#[derive(Default)]
pub struct Files {
    pub modules: Vec<RegoFile>,
    pub data: Vec<DataFile>,
    pub revision: String,
}
