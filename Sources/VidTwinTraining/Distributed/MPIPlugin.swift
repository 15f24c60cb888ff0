import CVidTwinTraining
import Glibc
import TensorFiles

/// The plug-in that knows MPI, found and loaded.
enum MPIPlugin {
    /// The functions of the plug-in that fits a launcher.
    ///
    /// - Throws: `TrainingError.failure` where there is none.
    static func table(for launcher: MPILauncher) throws -> vt_mpi_table {
        var problem = "none was found"
        for name in candidates(launcher) {
            // Open MPI's own plug-ins look for its symbols in the whole process.
            guard let library = name.withPathBytes({ dlopen($0, RTLD_NOW | RTLD_GLOBAL) }) else {
                if access(name, F_OK) == 0 || name == launcher.file, let error = dlerror() {
                    problem = String(cString: error)
                }
                continue
            }
            guard let symbol = dlsym(library, "vidtwin_mpi"),
                let entry = unsafeBitCast(symbol, to: vt_mpi_entry?.self), let table = entry()
            else { throw TrainingError.failure("\(name) is no plug-in of vtfilter's for MPI") }
            guard table.pointee.version == VIDTWIN_MPI_VERSION else {
                throw TrainingError.failure(
                    "\(name): expected version \(VIDTWIN_MPI_VERSION) of the plug-in, found "
                        + "\(table.pointee.version); `make mpi` builds it anew")
            }
            return table.pointee
        }
        throw TrainingError.failure(
            "started as rank \(launcher.rank) of \(launcher.count): expected "
                + launcher.libraries.map(fileName).joined(separator: " or ")
                + ", which `make mpi` builds and VIDTWIN_MPI=FILE names; \(problem)")
    }

    private static func fileName(_ library: MPILauncher.Library) -> String {
        "libvidtwin-mpi.\(library.rawValue).so"
    }

    /// Names to try: beside the installed library, in the checkout that the program was built in, then
    /// wherever the system looks.
    private static func candidates(_ launcher: MPILauncher) -> [String] {
        if let file = launcher.file { return [file] }
        var folders: [String] = []
        if let program = realpath("/proc/self/exe", nil) {
            let parts = String(path: program).split(separator: "/").map { "/" + $0 }
            free(program)
            folders.append(parts.dropLast(2).joined() + "/lib")
            if parts.dropLast(3).last == "/.build" {
                folders.append(parts.dropLast(4).joined() + "/.build-library/stage/lib")
            }
        }
        let names = launcher.libraries.map(fileName)
        return folders.flatMap { folder in names.map { "\(folder)/\($0)" } } + names
    }
}
