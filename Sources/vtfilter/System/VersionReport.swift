import Glibc
import TensorFiles
import VidTwin
import VideoIO

/// What `vtfilter --version` says: the version, a line of its own, and what a report of a fault needs.
enum VersionReport {
    static var text: String {
        let media = LibraryVersions.all.map { "\($0.name) \($0.version)" }.joined(separator: ", ")
        return """
            \(VTFilter.version)
            media    \(media)
            products \(Capabilities.productLibrary), \(Capabilities.productLevel)
            loops    \(Capabilities.loopLevel)
            CPU      \(Machine.cpuName.visible)
            model    \(model.visible)
            """
    }

    /// The model that is used when no option names one, and where it is.
    private static var model: String {
        let chosen = getenv("VIDTWIN_MODEL").map { String(path: $0) } ?? ""
        let name = chosen.isEmpty ? ModelFiles.bundledName : chosen
        let source = chosen.isEmpty ? "bundled" : "by VIDTWIN_MODEL"
        guard let files = try? ModelFiles(named: name) else {
            return "\(name), \(source): not found"
        }
        return "\(name), \(source): \(files.checkpoint)"
    }
}
