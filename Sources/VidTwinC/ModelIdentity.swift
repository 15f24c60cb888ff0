import CVidTwin
import Glibc
import TensorFiles
import VidTwin

/// What a model's latents are known by, read from its files when it is asked for.
struct ModelIdentity: Sendable {
    private let files: ModelFiles
    private let fingerprint: String
    private let states: [FileState?]

    init(_ opened: OpenedModel) {
        (files, fingerprint) = (opened.files, opened.configuration.fingerprint)
        states = opened.files.paths.map(FileState.init)
    }

    /// - Throws: where the files are not those that the model was opened from.
    func read() throws -> vidtwin_model_identity {
        try check()
        // Copied: a mapped file that becomes shorter meanwhile would end the process.
        let checkpoint = try OpenedModel(files, copied: true).checkpointSHA256
        try check()
        var identity = vidtwin_model_identity()
        write(fingerprint, to: &identity.config_sha256)
        write(checkpoint, to: &identity.checkpoint_sha256)
        return identity
    }

    private func check() throws {
        for (path, before) in zip(files.paths, states)
        where before == nil || FileState(path) != before {
            throw CallError(
                status: VIDTWIN_ERROR_MODEL,
                description: "\(path): expected the file that the model was opened from, found it "
                    + "changed or gone")
        }
    }

    /// Texts are 64 digits, or a text of a file that says it was converted: cut where it is too long.
    private func write<Characters>(_ text: String, to characters: inout Characters) {
        withUnsafeMutableBytes(of: &characters) { to in
            to.initializeMemory(as: UInt8.self, repeating: 0)
            to.copyBytes(from: text.utf8.prefix(to.count - 1))
        }
    }
}

/// By what a file is seen to have changed.
private struct FileState: Equatable, Sendable {
    private let identity: FileIdentity
    private let size: Int
    private let seconds, nanoseconds: Int

    /// Nil where there is none.
    init?(_ path: String) {
        var status = stat()
        guard path.withPathBytes({ stat($0, &status) }) == 0 else { return nil }
        (identity, size) = (FileIdentity(status), status.st_size)
        (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
    }
}
