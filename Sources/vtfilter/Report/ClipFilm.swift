import VidTwin
import VidTwinTraining
import VideoIO

/// The frames of a clip in one JPEG picture, one below the other, which a page moves through a window.
struct ClipFilm {
    let name: String
    let frames: Int
    /// Of a frame.
    let width, height: Int
    let jpeg: [UInt8]

    /// Frames and pixels across at most: what a page of them takes is bounded.
    static let (mostFrames, mostWidth) = (16, 224)

    /// Of a longer clip some frames at equal distances.
    ///
    /// - Throws: `VideoIOError` where the libraries fail.
    init(_ name: String, _ clips: Tensor) throws {
        let (_, T, H, W, _) = clips.shape5
        let step = (T + ClipFilm.mostFrames - 1) / ClipFilm.mostFrames
        let chosen = Array(stride(from: 0, to: T, by: step))
        let (values, count) = (clips.values, H * W * 3)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(chosen.count * count)
        for t in chosen {
            bytes += values[t * count..<(t + 1) * count].lazy.map(shownSample)
        }
        (self.name, frames, width, height) = (name, chosen.count, W, H)
        jpeg = try JPEGEncoder.encode(
            RGBFrame(
                width: W, height: H * chosen.count, depth: .eight, bytes: bytes, pts: 0,
                duration: 0), maximumWidth: ClipFilm.mostWidth)
    }
}

/// The films of a clip, and how it came out.
struct ClipFilms {
    let name: String
    let psnr, ssim: Double
    let films: [ClipFilm]

    /// - Throws: `VideoIOError` where the libraries fail.
    init(_ clip: ShownClip) throws {
        (name, psnr, ssim) = (clip.name, clip.psnr, clip.ssim)
        films = try clip.pictures.map { try ClipFilm($0.name, $0.clips) }
    }
}
