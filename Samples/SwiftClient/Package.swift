// swift-tools-version: 6.2

import PackageDescription

// A program of its own that uses mafin as a library.
let package = Package(
    name: "SwiftClient",
    platforms: [.macOS(.v15)],
    dependencies: [
        // A program elsewhere writes: .package(url: "…/mafin", from: "0.1.0")
        .package(name: "mafin", path: "../..")
    ],
    targets: [
        .executableTarget(
            name: "SwiftClient",
            dependencies: ["Mafin", "MafinGeneration", "MafinImages", "MafinReport", "MafinText"].map {
                .product(name: $0, package: "mafin")
            })
    ],
    swiftLanguageModes: [.v6]
)
