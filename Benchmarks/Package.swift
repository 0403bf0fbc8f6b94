// swift-tools-version: 6.2

import PackageDescription

/// A benchmark: an executable, and what it needs of mafin.
func benchmark(_ name: String, _ products: [String], targets: [String] = []) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["BenchSupport", .product(name: "ArgumentParser", package: "swift-argument-parser")]
            + targets.map { .target(name: $0) } + products.map { .product(name: $0, package: "mafin") })
}

// Benchmarks are a package of their own, so that who depends on mafin does not build them.
let package = Package(
    name: "mafin-benchmarks",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "bench-search", targets: ["BenchSearch"]),
        .executable(name: "bench-tokenizer", targets: ["BenchTokenizer"]),
        .executable(name: "bench-training", targets: ["BenchTraining"]),
        .executable(name: "bench-embedding", targets: ["BenchEmbedding"]),
        .executable(name: "bench-vision", targets: ["BenchVision"]),
        .executable(name: "bench-operations", targets: ["BenchOperations"]),
        .executable(name: "bench-growth", targets: ["BenchGrowth"]),
        .executable(name: "bench-guard", targets: ["BenchGuard"]),
        .executable(name: "bench-statistics", targets: ["BenchStatistics"]),
        .executable(name: "bench-losses", targets: ["BenchLosses"]),
        .executable(name: "bench-providers", targets: ["BenchProviders"]),
        .executable(name: "bench-cache", targets: ["BenchCache"]),
        .executable(name: "bench-sources", targets: ["BenchSources"]),
    ],
    dependencies: [
        .package(name: "mafin", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        .executableTarget(name: "BenchTokenizer", dependencies: [.product(name: "MafinText", package: "mafin")]),
        .target(
            name: "BenchSupport",
            dependencies: [
                .product(name: "MafinEncoder", package: "mafin"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        benchmark("BenchSearch", ["MafinRetrieval"]),
        benchmark("BenchTraining", ["MafinEncoder"]),
        benchmark("BenchEmbedding", ["MafinEncoder"]),
        benchmark("BenchVision", ["MafinEncoder", "MafinImages"]),
        benchmark("BenchOperations", ["MafinEncoder"]),
        benchmark("BenchGrowth", ["MafinEncoder", "MafinRetrieval", "MafinReport"]),
        .target(name: "CPeak"),
        benchmark("BenchGuard", ["MafinEncoder", "MafinRetrieval"], targets: ["CPeak"]),
        benchmark("BenchStatistics", ["MafinRetrieval"]),
        benchmark("BenchLosses", ["Mafin"]),
        benchmark("BenchProviders", ["MafinProviders"]),
        benchmark("BenchCache", ["MafinProviders"]),
        benchmark("BenchSources", ["Mafin", "MafinRetrieval"]),
    ],
    swiftLanguageModes: [.v6]
)
