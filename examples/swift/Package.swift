// swift-tools-version: 6.0
// A program that depends on the package; in yours, the path is the address of the repository.

import PackageDescription

let package = Package(
    name: "reconstruct-raw",
    dependencies: [.package(name: "vidtwin", path: "../..")],
    targets: [
        .executableTarget(
            name: "ReconstructRaw", dependencies: [.product(name: "VidTwin", package: "vidtwin")])
    ]
)
