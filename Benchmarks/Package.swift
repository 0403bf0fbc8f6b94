// swift-tools-version: 6.2

import PackageDescription

// Benchmarks are a package of their own, so that who depends on mafin does not build them.
let package = Package(
    name: "mafin-benchmarks",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "bench-tokenizer", targets: ["BenchTokenizer"])
    ],
    dependencies: [.package(name: "mafin", path: "..")],
    targets: [
        .executableTarget(name: "BenchTokenizer", dependencies: [.product(name: "MafinText", package: "mafin")])
    ],
    swiftLanguageModes: [.v6]
)
