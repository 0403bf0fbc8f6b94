// swift-tools-version: 6.2

import PackageDescription

// Benchmarks are a package of their own, so that who depends on mafin does not build them.
let package = Package(
    name: "mafin-benchmarks",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "bench-search", targets: ["BenchSearch"]),
        .executable(name: "bench-tokenizer", targets: ["BenchTokenizer"]),
        .executable(name: "bench-training", targets: ["BenchTraining"]),
    ],
    dependencies: [
        .package(name: "mafin", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        .executableTarget(
            name: "BenchSearch",
            dependencies: [
                .product(name: "MafinRetrieval", package: "mafin"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(name: "BenchTokenizer", dependencies: [.product(name: "MafinText", package: "mafin")]),
        .executableTarget(
            name: "BenchTraining",
            dependencies: [
                .product(name: "Mafin", package: "mafin"),
                .product(name: "MafinEncoder", package: "mafin"),
                .product(name: "MafinText", package: "mafin"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
