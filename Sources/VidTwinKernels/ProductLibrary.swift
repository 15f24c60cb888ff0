import Glibc

/// Why a product cannot be prepared or run.
package enum ProductError: Error, CustomStringConvertible {
    /// No memory for something of this size.
    case memory(what: String, bytes: Int)
    /// A precision that cannot do what is asked for.
    case unsupported(String)
    /// The product library's own.
    case library(String)

    package var description: String {
        switch self {
        case .memory(let what, let bytes): "no memory for \(what): \(bytes) bytes asked for"
        case .unsupported(let problem), .library(let problem): problem
        }
    }
}

/// Types of elements in products.
enum ProductElement: Hashable, Sendable {
    case float32, bfloat16, unsigned8, signed8, signed32
}

/// Sizes and types of packed weights.
struct ProductShape: Hashable, Sendable {
    let inputs: Int
    let outputs: Int
    /// Of the activations and of the weights.
    let source, weights: ProductElement
}

/// A product with packed weights, whatever the numbers: `activation(x · Wᵀ + b)`.
struct ProductKey: Hashable, Sendable {
    let rows: Int
    let shape: ProductShape
    let destination: ProductElement
    let bias: Bool
    let activation: Activation
}

/// A product of two matrices that are activations, at strides in elements: see `matrixProduct`.
struct StridedKey: Hashable, Sendable {
    let m, n, k: Int
    let aStride, bStride, cStride: Int
    var transposedA = false
    let transposed: Bool
    /// To what is there; of float32 alone.
    var adding = false
}

/// What multiplies matrices. Everything runs on the calling thread, on several at once.
///
/// Products of float32 are in every library; of narrower types only where it says so, and of whole
/// numbers always, with exact sums.
protocol ProductLibrary: Sendable {
    /// Name and version, "oneDNN 2.6.3".
    var title: String { get }
    /// The instructions it uses here, in its own words.
    var level: String { get }
    /// Products of bfloat16, if need be by way of float32; elsewhere weights are widened.
    var multipliesBFloat16: Bool { get }
    /// Instructions for bfloat16, which make its products, where there are any, twice as fast as float32's.
    var hasBFloat16: Bool { get }
    /// Instructions that sum four products of bytes in 32 bits.
    var hasVNNI: Bool { get }
    /// The largest value of a quantised activation with which sums are exact.
    var activationLevels: Int32 { get }

    /// Bytes of packed weights.
    func packedBytes(_ shape: ProductShape) throws -> Int

    /// Packs weights `[outputs, inputs]` in row-major order (`[inputs, outputs]` in memory when
    /// `transposed`) of `element`, which is `shape.weights` or float32.
    func pack(
        _ rows: UnsafeRawPointer, _ element: ProductElement, transposed: Bool,
        into packed: UnsafeMutableRawPointer, _ shape: ProductShape) throws

    /// `y = activation(x · Wᵀ + bias)`, dense rows.
    func multiply(
        _ key: ProductKey, _ x: UnsafeRawPointer, _ w: UnsafeRawPointer,
        bias: UnsafePointer<Float>?, into y: UnsafeMutableRawPointer, _ workspace: Workspace) throws

    /// `c = a · b`, or `c += a · b`, of float32.
    func multiply(
        _ key: StridedKey, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
        into c: UnsafeMutablePointer<Float>, _ workspace: Workspace) throws

    /// `c = a · b` of bfloat16 with float32 sums; only where `multipliesBFloat16`.
    func multiply(
        _ key: StridedKey, _ a: UnsafePointer<UInt16>, _ b: UnsafePointer<UInt16>,
        into c: UnsafeMutablePointer<Float>, _ workspace: Workspace) throws

    /// Whether that product can be had.
    func hasNarrow(_ key: StridedKey) -> Bool

    /// A convolution without products in between; nil where it has no fast one.
    func convolution(_ shape: ConvolutionShape, _ product: ConvolutionProduct)
        -> (any DirectConvolution)?

    /// What gives its products threads.
    var threads: OpenMPThreads? { get }
}

/// The library in use: `VIDTWIN_PRODUCTS` (`onednn` or `openblas`), or the better one that is there.
enum Products {
    static let library: any ProductLibrary = {
        let wish = getenv("VIDTWIN_PRODUCTS").map { String(cString: $0) } ?? ""
        switch wish {
        case "": return automatic
        case "openblas": return openBLAS()
        #if !WITHOUT_ONEDNN
            case "onednn": return OneDNNProducts.shared
        #endif
        default:
            let known = hasOneDNN ? "onednn or openblas" : "openblas, all that this build has"
            return NoProducts("VIDTWIN_PRODUCTS: expected \(known), found '\(wish)'")
        }
    }()

    #if WITHOUT_ONEDNN
        private static let hasOneDNN = false
        private static var automatic: any ProductLibrary { openBLAS() }
    #else
        private static let hasOneDNN = true
        /// oneDNN's own code is for x86-64; on other CPUs its products are plain loops.
        private static var automatic: any ProductLibrary {
            #if arch(x86_64)
                return OneDNNProducts.shared
            #else
                let other = openBLAS()
                return other is NoProducts ? OneDNNProducts.shared : other
            #endif
        }
    #endif

    private static func openBLAS() -> any ProductLibrary {
        do {
            return try OpenBLASProducts()
        } catch {
            return NoProducts("\(error)")
        }
    }
}

/// In place of a library that is not there: says so to whoever asks for a product.
struct NoProducts: ProductLibrary {
    private let error: ProductError

    init(_ problem: String) { error = .library(problem) }

    let title = "none"
    let level = "none"
    let multipliesBFloat16 = false
    let hasBFloat16 = false
    let hasVNNI = false
    let activationLevels: Int32 = 127

    func packedBytes(_ shape: ProductShape) throws -> Int { throw error }
    func pack(
        _ rows: UnsafeRawPointer, _ element: ProductElement, transposed: Bool,
        into packed: UnsafeMutableRawPointer, _ shape: ProductShape
    ) throws { throw error }
    func multiply(
        _ key: ProductKey, _ x: UnsafeRawPointer, _ w: UnsafeRawPointer,
        bias: UnsafePointer<Float>?, into y: UnsafeMutableRawPointer, _ workspace: Workspace
    ) throws { throw error }
    func multiply(
        _ key: StridedKey, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
        into c: UnsafeMutablePointer<Float>, _ workspace: Workspace
    ) throws { throw error }
    func multiply(
        _ key: StridedKey, _ a: UnsafePointer<UInt16>, _ b: UnsafePointer<UInt16>,
        into c: UnsafeMutablePointer<Float>, _ workspace: Workspace
    ) throws { throw error }
    func hasNarrow(_ key: StridedKey) -> Bool { false }
    func convolution(_ shape: ConvolutionShape, _ product: ConvolutionProduct)
        -> (any DirectConvolution)?
    { nil }
    let threads: OpenMPThreads? = nil
}
