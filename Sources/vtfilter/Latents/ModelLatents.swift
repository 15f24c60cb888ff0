import LatentIO
import VidTwin
import VideoIO

/// The clips of a stream as latents for a model.
struct ModelLatents {
    /// The latents of a clip.
    struct Clip {
        let sample: LatentSample
        let latents: Latents
        /// Which of them are there and wanted.
        let part: Part
    }

    private let clips: any LatentStream
    private let model: VidTwinModel
    private let identity: ModelIdentity
    private let isForced: Bool
    private let part: Part

    /// Those of another model are refused, unless `isForced`.
    init(
        _ clips: any LatentStream, for model: VidTwinModel, _ identity: ModelIdentity,
        isForced: Bool, part: Part
    ) {
        (self.clips, self.model, self.identity) = (clips, model, identity)
        (self.isForced, self.part) = (isForced, part)
    }

    /// The next clip, or nil at the end.
    ///
    /// - Throws: `LatentError` after whole samples, `ForeignLatents`, `UsageError` where the
    ///   part that is wanted is not there.
    func next() throws -> Clip? {
        guard let sample = try clips.next() else { return nil }
        try identity.check(sample, force: isForced)
        let (latents, available) = try Latents.of(sample, for: model)
        let wanted = part == .all ? available : part
        if available != .all, wanted != available {
            throw UsageError(
                "--part \(part.rawValue): the latents hold \(available.rawValue) only")
        }
        return Clip(sample: sample, latents: latents, part: wanted)
    }
}
