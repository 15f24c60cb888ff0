import CFFmpeg

/// What a video says of its colours beside matrix and range, in libav's numbers, for those who keep
/// it elsewhere for a while. What is nil is not known.
public struct PictureMarks: Sendable, Equatable {
    /// Where samples of colour lie.
    public var chromaLocation: Int?
    /// Colour primaries.
    public var primaries: Int?
    /// Transfer characteristic.
    public var transfer: Int?
    /// The mastering display: ten ratios, each above and below the line. Red, green, blue, white,
    /// x and y; least and most light.
    public var masteringDisplay: [Int32]?
    /// Most light of a pixel, and of a frame's mean.
    public var contentLight: [UInt32]?

    /// Nothing is known.
    public init() {}
}

extension VideoStreamInfo {
    /// What the video says of its colours. Numbers that libav does not have are left out.
    public var marks: PictureMarks {
        get {
            var marks = PictureMarks()
            if traits.chromaLocation != AVCHROMA_LOC_UNSPECIFIED {
                marks.chromaLocation = Int(traits.chromaLocation.rawValue)
            }
            if colorPrimaries != AVCOL_PRI_UNSPECIFIED {
                marks.primaries = Int(colorPrimaries.rawValue)
            }
            if colorTransfer != AVCOL_TRC_UNSPECIFIED {
                marks.transfer = Int(colorTransfer.rawValue)
            }
            marks.masteringDisplay = traits.light.displayNumbers
            marks.contentLight = traits.light.contentNumbers
            return marks
        }
        set {
            func known(_ number: Int?, _ name: (Int32) -> UnsafePointer<CChar>?) -> UInt32? {
                number.flatMap { Int32(exactly: $0) }
                    .flatMap { (0..<256).contains($0) && name($0) != nil ? UInt32($0) : nil }
            }
            traits.chromaLocation =
                known(newValue.chromaLocation) {
                    av_chroma_location_name(AVChromaLocation(rawValue: UInt32($0)))
                }.map { AVChromaLocation(rawValue: $0) } ?? AVCHROMA_LOC_UNSPECIFIED
            colorPrimaries =
                known(newValue.primaries) {
                    av_color_primaries_name(AVColorPrimaries(rawValue: UInt32($0)))
                }.map { AVColorPrimaries(rawValue: $0) } ?? AVCOL_PRI_UNSPECIFIED
            colorTransfer =
                known(newValue.transfer) {
                    av_color_transfer_name(AVColorTransferCharacteristic(rawValue: UInt32($0)))
                }.map { AVColorTransferCharacteristic(rawValue: $0) } ?? AVCOL_TRC_UNSPECIFIED
            traits.light = LightMetadata(
                display: newValue.masteringDisplay, content: newValue.contentLight)
        }
    }
}
