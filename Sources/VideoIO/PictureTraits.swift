import CFFmpeg

/// What a video says of its pictures beside size, format and times, and an output says again.
struct PictureTraits {
    /// Where samples of colour lie between those of light.
    var chromaLocation = AVCHROMA_LOC_UNSPECIFIED
    /// Which field comes first, where frames are made of two; nil where they are whole.
    var fields: FieldOrder?
    /// How the stored picture is turned to be upright.
    var orientation = Orientation.upright
    /// Whether it is turned by another angle than a multiple of a quarter.
    var isAskew = false
    /// The screen that it was made for, and how bright it is.
    var light = LightMetadata()

    /// The order of the two fields of a frame.
    enum FieldOrder {
        case top, bottom
    }

    init() {}

    /// What the container says.
    init(_ stream: UnsafeMutablePointer<AVStream>) {
        if let parameters = stream.pointee.codecpar {
            chromaLocation = parameters.pointee.chroma_location
            switch parameters.pointee.field_order {
            case AV_FIELD_TT, AV_FIELD_BT: fields = .top
            case AV_FIELD_BB, AV_FIELD_TB: fields = .bottom
            default: break
            }
        }
        let turned = Orientation.of(stream)
        isAskew = turned == nil
        orientation = turned ?? .upright
        light = LightMetadata(stream)
    }

    /// What the first frame says of its own takes the place of what the container said.
    mutating func refine(_ frame: UnsafeMutablePointer<AVFrame>) {
        if frame.pointee.chroma_location != AVCHROMA_LOC_UNSPECIFIED {
            chromaLocation = frame.pointee.chroma_location
        }
        if vt_is_interlaced(frame) != 0 {
            fields = vt_is_top_field_first(frame) != 0 ? .top : .bottom
        }
        if let turned = Orientation.of(frame) { orientation = turned }
        light.refine(frame)
    }
}
