// swift-tools-version: 6.0
// VidTwin in Swift: the targets are the layers, and imports only go down (docs/ARCHITECTURE.md).

import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// What multiplies matrices: oneDNN, and OpenBLAS where it is found at run time;
// `VIDTWIN_PRODUCTS=openblas swift build` makes a program without oneDNN.
let hasOneDNN = Context.environment["VIDTWIN_PRODUCTS"] != "openblas"

let package = Package(
    name: "vidtwin",
    products: [
        .library(name: "VidTwin", targets: ["VidTwin", "TensorFiles"]),
        .library(name: "VideoIO", targets: ["VideoIO"]),
        // The C library, libvidtwin.so; `make install` links it as it is installed.
        .library(name: "vidtwin", type: .dynamic, targets: ["VidTwinC"]),
        .executable(name: "vtfilter", targets: ["vtfilter"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
    ],
    targets: [
        // System libraries.
        .systemLibrary(name: "CSystem"),
        .systemLibrary(name: "CDNNL", providers: [.apt(["libdnnl-dev"])]),
        .systemLibrary(
            name: "CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
        .systemLibrary(
            name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(
            name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(
            name: "CFFmpeg",
            pkgConfig: "libavfilter libavformat libavcodec libavutil libswscale",
            providers: [
                .apt([
                    "libavfilter-dev", "libavformat-dev", "libavcodec-dev", "libavutil-dev",
                    "libswscale-dev",
                ])
            ]),

        // Locks that a fork may happen under.
        .target(name: "ForkSafety", swiftSettings: strict),

        // The core.
        .target(name: "CVidTwinKernels"),
        .target(
            name: "VidTwinKernels",
            dependencies: ["CVidTwinKernels", "ForkSafety"] + (hasOneDNN ? ["CDNNL"] : []),
            exclude: hasOneDNN ? [] : ["OneDNN"],
            swiftSettings: strict + (hasOneDNN ? [] : [.define("WITHOUT_ONEDNN")])),
        // File formats of arrays, and nothing that knows a model.
        .target(
            name: "TensorFiles",
            dependencies: ["CDeflate", "CCrypto", "CSystem", "CZlib", "ForkSafety"],
            swiftSettings: strict),
        .target(
            name: "VidTwin",
            dependencies: [
                "ForkSafety", "VidTwinKernels", "CVidTwinKernels", "TensorFiles", "CYAML",
            ],
            swiftSettings: strict),

        // The C interface.
        .target(name: "CVidTwin"),
        .target(
            name: "VidTwinC",
            dependencies: ["VidTwin", "VidTwinKernels", "TensorFiles", "CVidTwin"],
            swiftSettings: strict),

        // Files and streams, and the command line.
        .target(name: "LatentIO", dependencies: ["TensorFiles"], swiftSettings: strict),
        .target(
            name: "VideoIO", dependencies: ["CFFmpeg", "TensorFiles", "ForkSafety"],
            swiftSettings: strict),

        // Training: apart, so that libvidtwin.so carries none of it.
        .target(name: "CVidTwinTraining"),
        .target(
            name: "VidTwinTraining",
            dependencies: [
                "CVidTwinTraining", "ForkSafety", "VidTwin", "VidTwinKernels", "TensorFiles",
                "VideoIO",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["Logs/events.proto", "Logs/wandb.proto"],
            swiftSettings: strict),

        .executableTarget(
            name: "vtfilter",
            dependencies: [
                "CSystem", "CVidTwinKernels", "ForkSafety", "VidTwinKernels", "VidTwin",
                "VidTwinTraining", "VideoIO", "LatentIO", "TensorFiles",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),

        // Tests.
        .target(
            name: "VidTwinTestSupport", dependencies: ["VidTwin", "TensorFiles"],
            swiftSettings: strict),
        .testTarget(
            name: "VidTwinKernelsTests",
            dependencies: [
                "ForkSafety", "CVidTwinKernels", "VidTwinKernels", "VidTwinTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TensorFilesTests", dependencies: ["TensorFiles", "VidTwinTestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "VidTwinTests", dependencies: ["VidTwin", "TensorFiles", "VidTwinTestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "VidTwinTrainingTests",
            dependencies: [
                "VidTwin", "VidTwinKernels", "VidTwinTraining", "TensorFiles", "VideoIO",
                "VidTwinTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "VidTwinCTests", dependencies: ["CVidTwin", "VidTwinC", "VidTwinTestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "LatentIOTests", dependencies: ["LatentIO", "TensorFiles", "VidTwinTestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "VideoIOTests", dependencies: ["VideoIO", "VidTwinTestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "VidTwin", "VideoIO", "LatentIO", "TensorFiles", "VidTwinTestSupport",
            ]),
        .testTarget(
            name: "vtfilterTests",
            dependencies: [
                "ForkSafety", "LatentIO", "VidTwin", "VidTwinTraining", "TensorFiles", "VideoIO",
                "VidTwinTestSupport",
                "vtfilter",
            ],
            swiftSettings: strict),
    ]
)
