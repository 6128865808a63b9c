//! TensorFlow Lite, through its C library: as it comes, and with the XNNPACK delegate put to it.

use std::ffi::{c_char, c_int, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::Arc;

use libloading::Library;

use crate::engines::{Candidate, Engine};
use crate::failure::{Failure, Result};

/// Something of the library's that is only ever pointed to.
type Handle = *mut c_void;

const OK: c_int = 0;

/// The functions of `tensorflow/lite/c/c_api.h` and `…/delegates/xnnpack/xnnpack_delegate.h` that
/// are needed.
pub struct Api {
    version: unsafe extern "C" fn() -> *const c_char,
    model_create: unsafe extern "C" fn(*const c_void, usize) -> Handle,
    model_delete: unsafe extern "C" fn(Handle),
    options_create: unsafe extern "C" fn() -> Handle,
    options_delete: unsafe extern "C" fn(Handle),
    options_set_threads: unsafe extern "C" fn(Handle, i32),
    options_add_delegate: unsafe extern "C" fn(Handle, Handle),
    interpreter_create: unsafe extern "C" fn(Handle, Handle) -> Handle,
    interpreter_delete: unsafe extern "C" fn(Handle),
    resize_input: unsafe extern "C" fn(Handle, i32, *const c_int, i32) -> c_int,
    allocate: unsafe extern "C" fn(Handle) -> c_int,
    invoke: unsafe extern "C" fn(Handle) -> c_int,
    input: unsafe extern "C" fn(Handle, i32) -> Handle,
    output: unsafe extern "C" fn(Handle, i32) -> *const c_void,
    byte_size: unsafe extern "C" fn(*const c_void) -> usize,
    copy_from: unsafe extern "C" fn(Handle, *const c_void, usize) -> c_int,
    copy_to: unsafe extern "C" fn(*const c_void, *mut c_void, usize) -> c_int,
    xnnpack_create: unsafe extern "C" fn(*const c_void) -> Handle,
    xnnpack_delete: unsafe extern "C" fn(Handle),
    /// Last, so that it outlives what points into it.
    _library: Library,
}

impl Api {
    /// Loads the library.
    ///
    /// # Errors
    /// Where it isn't there, or has not all of the functions.
    pub fn load(library: &Path) -> Result<Arc<Self>> {
        let fault = Failure::at("TensorFlow Lite");
        // SAFETY: the caller names a TensorFlow Lite library; its initialisers only register
        // things within it.
        let library = unsafe { Library::new(library) }.map_err(&fault)?;
        macro_rules! symbol {
            ($name:literal) => {
                // SAFETY: the field that it becomes has the type of the function of that name in
                // the library's C headers.
                *unsafe { library.get($name) }.map_err(&fault)?
            };
        }
        Ok(Arc::new(Self {
            version: symbol!(b"TfLiteVersion\0"),
            model_create: symbol!(b"TfLiteModelCreate\0"),
            model_delete: symbol!(b"TfLiteModelDelete\0"),
            options_create: symbol!(b"TfLiteInterpreterOptionsCreate\0"),
            options_delete: symbol!(b"TfLiteInterpreterOptionsDelete\0"),
            options_set_threads: symbol!(b"TfLiteInterpreterOptionsSetNumThreads\0"),
            options_add_delegate: symbol!(b"TfLiteInterpreterOptionsAddDelegate\0"),
            interpreter_create: symbol!(b"TfLiteInterpreterCreate\0"),
            interpreter_delete: symbol!(b"TfLiteInterpreterDelete\0"),
            resize_input: symbol!(b"TfLiteInterpreterResizeInputTensor\0"),
            allocate: symbol!(b"TfLiteInterpreterAllocateTensors\0"),
            invoke: symbol!(b"TfLiteInterpreterInvoke\0"),
            input: symbol!(b"TfLiteInterpreterGetInputTensor\0"),
            output: symbol!(b"TfLiteInterpreterGetOutputTensor\0"),
            byte_size: symbol!(b"TfLiteTensorByteSize\0"),
            copy_from: symbol!(b"TfLiteTensorCopyFromBuffer\0"),
            copy_to: symbol!(b"TfLiteTensorCopyToBuffer\0"),
            xnnpack_create: symbol!(b"TfLiteXNNPackDelegateCreate\0"),
            xnnpack_delete: symbol!(b"TfLiteXNNPackDelegateDelete\0"),
            _library: library,
        }))
    }

    /// The library's own version.
    pub fn version(&self) -> String {
        // SAFETY: the function takes nothing and gives a constant text.
        let text = unsafe { std::ffi::CStr::from_ptr((self.version)()) };
        text.to_string_lossy().into_owned()
    }
}

/// The model in TensorFlow Lite, without and with the delegate.
pub fn candidates(precision: &'static str, file: &Arc<Vec<u8>>, api: &Arc<Api>) -> [Candidate; 2] {
    [("tflite", false), ("tflite/xnnpack", true)].map(|(name, xnnpack)| {
        let (file, api) = (Arc::clone(file), Arc::clone(api));
        Candidate::peer(
            name,
            precision,
            Box::new(move |rows| Ok(Box::new(Running::open(&api, &file, rows, xnnpack)?))),
        )
    })
}

struct Running {
    api: Arc<Api>,
    model: Handle,
    delegate: Handle,
    interpreter: Handle,
    /// What the library reads the weights from, as long as the model lives.
    _file: Arc<Vec<u8>>,
}

impl Running {
    fn open(api: &Arc<Api>, file: &Arc<Vec<u8>>, rows: usize, xnnpack: bool) -> Result<Self> {
        let mut running = Self {
            api: Arc::clone(api),
            model: null_mut(),
            delegate: null_mut(),
            interpreter: null_mut(),
            _file: Arc::clone(file),
        };
        // SAFETY: the bytes live as long as the model; every handle is checked before use and
        // freed once, in `drop`; the options may go once the interpreter is made.
        unsafe {
            running.model = (api.model_create)(file.as_ptr().cast(), file.len());
            made(running.model, "a model that it reads")?;
            let options = (api.options_create)();
            (api.options_set_threads)(options, 1);
            if xnnpack {
                // No options: its defaults, with one thread.
                running.delegate = (api.xnnpack_create)(null());
                (api.options_add_delegate)(options, running.delegate);
            }
            running.interpreter = (api.interpreter_create)(running.model, options);
            (api.options_delete)(options);
            made(running.interpreter, "operators that it has")?;
            let width = (api.byte_size)((api.input)(running.interpreter, 0)) / 4;
            let shape = [rows as c_int, width as c_int];
            check(
                (api.resize_input)(running.interpreter, 0, shape.as_ptr(), 2),
                "resize",
            )?;
            check((api.allocate)(running.interpreter), "allocate")?;
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: each was made by this library and is freed once, the interpreter before what it
        // uses.
        unsafe {
            if !self.interpreter.is_null() {
                (self.api.interpreter_delete)(self.interpreter);
            }
            if !self.delegate.is_null() {
                (self.api.xnnpack_delete)(self.delegate);
            }
            if !self.model.is_null() {
                (self.api.model_delete)(self.model);
            }
        }
    }
}

impl Engine for Running {
    fn run(&mut self, features: &[f32], outputs: &mut [f32]) -> Result<()> {
        let api = &self.api;
        // SAFETY: the interpreter lives and has its tensors; both copies are refused by the library
        // where the sizes are not the tensors' own.
        unsafe {
            let input = (api.input)(self.interpreter, 0);
            let size = size_of_val(features);
            check(
                (api.copy_from)(input, features.as_ptr().cast(), size),
                "input",
            )?;
            check((api.invoke)(self.interpreter), "invoke")?;
            let output = (api.output)(self.interpreter, 0);
            let size = size_of_val(outputs);
            check(
                (api.copy_to)(output, outputs.as_mut_ptr().cast(), size),
                "output",
            )
        }
    }
}

fn made(handle: Handle, expected: &str) -> Result<()> {
    match handle.is_null() {
        true => Err(Failure::new(format!(
            "TensorFlow Lite: expected {expected}"
        ))),
        false => Ok(()),
    }
}

fn check(status: c_int, what: &str) -> Result<()> {
    match status {
        OK => Ok(()),
        status => Err(Failure::new(format!(
            "TensorFlow Lite: {what}: status {status}"
        ))),
    }
}
