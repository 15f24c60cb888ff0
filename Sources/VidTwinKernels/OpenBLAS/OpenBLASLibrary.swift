import Glibc

/// OpenBLAS, loaded when it is wanted: the flavour whose threads are OpenMP's (Debian's
/// `libopenblas0-openmp`), which a thread can have products on itself alone from, as our tasks do.
///
/// The flavour with threads of its own can be told so for the whole process only, which belongs to the
/// host; and in the serial one, as Debian builds it, two threads may be given the same buffer
/// (0.3.21: `blas_memory_alloc` looks for a free one without a lock; 2 to 20 of 100,000 small products came
/// out wrong with 32 threads on two cores).
struct OpenBLASLibrary: @unchecked Sendable {
    typealias SGEMM =
        @convention(c) (
            _ order: CInt, _ transA: CInt, _ transB: CInt, _ m: CInt, _ n: CInt, _ k: CInt,
            _ alpha: Float, _ a: UnsafePointer<Float>, _ lda: CInt, _ b: UnsafePointer<Float>,
            _ ldb: CInt, _ beta: Float, _ c: UnsafeMutablePointer<Float>, _ ldc: CInt
        ) -> Void

    /// `cblas_sgemm`.
    let sgemm: SGEMM
    /// "OpenBLAS 0.3.21".
    let title: String
    /// The CPU that its kernels are for, "SkylakeX"; `OPENBLAS_CORETYPE` chooses another.
    let core: String
    /// Calls at once for which it has buffers.
    let mostCalls: Int
    let threads: OpenMPThreads

    /// Loads `VIDTWIN_OPENBLAS`, or the first one in its usual places.
    ///
    /// - Throws: `ProductError.library`, which says what was found.
    init() throws {
        let wish = getenv("VIDTWIN_OPENBLAS").map { String(cString: $0) } ?? ""
        let files = wish.isEmpty ? OpenBLASLibrary.usualFiles : [wish]
        var problems: [String] = []
        for file in files {
            // Bound to itself first: the host may have another OpenBLAS under the same name.
            guard let handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND) else {
                problems.append(dlerror().map { String(cString: $0) } ?? "\(file): not loaded")
                continue
            }
            guard let loaded = OpenBLASLibrary(handle) else {
                problems.append("\(file): not OpenBLAS with OpenMP")
                dlclose(handle)
                continue
            }
            self = loaded
            return
        }
        throw ProductError.library(
            "expected OpenBLAS with OpenMP (Debian: libopenblas0-openmp; or VIDTWIN_OPENBLAS=FILE), "
                + "found: \(problems.joined(separator: "; "))")
    }

    private init?(_ handle: UnsafeMutableRawPointer) {
        typealias Words = @convention(c) () -> UnsafePointer<CChar>?
        typealias Number = @convention(c) () -> CInt
        func words(_ name: String) -> String? {
            guard let symbol = dlsym(handle, name) else { return nil }
            return unsafeBitCast(symbol, to: Words.self)().map { String(cString: $0) }
        }
        guard let product = dlsym(handle, "cblas_sgemm"),
            let parallel = dlsym(handle, "openblas_get_parallel"),
            unsafeBitCast(parallel, to: Number.self)() == 2,
            let set = dlsym(handle, "omp_set_num_threads"),
            let get = dlsym(handle, "omp_get_max_threads"),
            let configuration = words("openblas_get_config"),
            !configuration.contains("USE64BITINT")
        else { return nil }
        sgemm = unsafeBitCast(product, to: SGEMM.self)
        title = configuration.split(separator: " ").prefix(2).joined(separator: " ")
        core = words("openblas_get_corename") ?? "unknown"
        threads = OpenMPThreads(
            set: unsafeBitCast(set, to: (@convention(c) (CInt) -> Void).self),
            get: unsafeBitCast(get, to: Number.self))
        // It has two buffers for each of its threads, and 50 at least.
        let most = configuration.split(separator: " ").compactMap { word in
            word.hasPrefix("MAX_THREADS=") ? Int(word.dropFirst(12)) : nil
        }
        mostCalls = max(most.first ?? 0, 40)
    }

    private static var usualFiles: [String] {
        #if arch(x86_64)
            let machine = "x86_64"
        #elseif arch(arm64)
            let machine = "aarch64"
        #elseif arch(powerpc64le)
            let machine = "powerpc64le"
        #elseif arch(s390x)
            let machine = "s390x"
        #elseif arch(riscv64)
            let machine = "riscv64"
        #else
            let machine = "unknown"
        #endif
        return [
            "/usr/lib/\(machine)-linux-gnu/openblas-openmp/libopenblas.so.0", "libopenblas.so.0",
            "libopenblaso.so.0",
        ]
    }
}
