// swift-tools-version: 6.2

import PackageDescription

let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Tests call optimized code and need no optimization themselves. Without it they compile in half the time.
let unoptimized: [SwiftSetting] = [.unsafeFlags(["-Onone"])]

/// A module and its test target, which may import everything that the module may import.
func module(
    _ name: String, _ dependencies: [Target.Dependency], isProgram: Bool = false, resources: [Resource] = [],
    goldens: Bool = true, tests: [Target.Dependency] = []
) -> [Target] {
    [
        isProgram
            ? .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
            : .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict),
        .testTarget(
            name: "\(name)Tests",
            dependencies: [.target(name: name), "MafinTestSupport"] + dependencies + tests,
            resources: goldens ? [.copy("Goldens")] : [],
            swiftSettings: strict + unoptimized),
    ]
}

let package = Package(
    name: "mafin",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Mafin", targets: ["Mafin"]),
        .library(name: "MafinEncoder", targets: ["MafinEncoder"]),
        .library(name: "MafinImages", targets: ["MafinImages"]),
        .library(name: "MafinText", targets: ["MafinText"]),
        .library(name: "MafinRetrieval", targets: ["MafinRetrieval"]),
        .library(name: "MafinProviders", targets: ["MafinProviders"]),
        .library(name: "MafinReport", targets: ["MafinReport"]),
        .library(name: "MafinGeneration", targets: ["MafinGeneration"]),
        // The C interface, for other languages: libMafinC.so and Sources/CMafin/include/mafin.h.
        .library(name: "MafinC", type: .dynamic, targets: ["MafinC"]),
        .executable(name: "mafin", targets: ["MafinCLI"]),
        // Only the demo: it needs no package for networking, SQLite or TOML.
        .executable(name: "mafin-demo", targets: ["MafinDemo"]),
    ],
    dependencies: [
        // Exact versions: warnings are errors here, so a deprecation in a newer version would break the build of a fresh clone. Raise
        // them together, and run the tests.
        // Parses the arguments of every command and prints its help.
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        // Sends the warnings of long runs to the log of the program that uses the library.
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        // HTTP: embedding APIs and the model hub. (URLSession crashes in teardown on Linux.)
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        // The HTTP client's types for addresses, headers and time limits.
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        // The HTTP service of `mafin serve`, and its TLS.
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        // Signals and graceful shutdown of long-running services.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        // Private certificate authorities; the certificate and key of the service.
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        // Requests, responses and header fields of the service.
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
        // SQLite in WAL mode: the cache of paid vectors, which survives a kill of the process at any moment.
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        // Profiles of embedding providers are TOML files.
        .package(url: "https://github.com/LebJe/TOMLKit", exact: "0.6.0"),
    ],
    targets: [
        // C: the numeric kernels. No other module has code for a particular CPU.
        .target(
            name: "CMafinKernels",
            cSettings: [.define("ACCELERATE_NEW_LAPACK", .when(platforms: [.macOS]))],
            linkerSettings: [.linkedFramework("Accelerate", .when(platforms: [.macOS]))]),
        // Opens MPI at run time, for training on several machines. Nothing of MPI is needed to build or to run one process.
        .target(name: "CMPI", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
        // C: loads PostgreSQL's client library when it is first needed, so that the program starts without it.
        .target(name: "CPostgreSQL", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
        // C: the header of the C interface, and the layout of its structs.
        .target(name: "CMafin"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"]), .brew(["libpng"])]),
        .systemLibrary(
            name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"]), .brew(["jpeg-turbo"])]),
        // C: pictures to pixels, and pixels to another size.
        .target(name: "CMafinImages", dependencies: ["CPNG", "CJPEG"]),
        // C++: graphs of near rows, by the headers of hnswlib, behind a C header.
        .target(name: "CHNSW", dependencies: ["CMafinKernels"]),
        // One import for users of the library: the method, the pipeline and the comparison, and the types in their interfaces.
        .target(
            name: "Mafin",
            dependencies: [
                "MafinNumerics", "MafinEncoder", "MafinRetrieval", "MafinBlackBox", "MafinMethod", "MafinPipeline",
                "MafinComparison",
            ], swiftSettings: strict),
        .target(
            name: "MafinTestSupport", dependencies: ["CMafinKernels", "MafinNumerics"],
            path: "Tests/MafinTestSupport", swiftSettings: strict),
    ]
        + module("MafinNumerics", ["CMafinKernels"])
        + module("MafinParquet", ["MafinNumerics", "CZlib"])
        // Statements of PostgreSQL. The one module over its client library.
        + module("MafinPostgreSQL", ["MafinNumerics", "CPostgreSQL"], goldens: false)
        + module("MafinImages", ["MafinNumerics", "CMafinImages"])
        + module("MafinText", ["MafinNumerics"])
        + module("MafinEncoder", ["MafinNumerics", "MafinImages", "MafinText", "CMafinKernels"])
        + module(
            "MafinRetrieval",
            ["MafinNumerics", "MafinParquet", "MafinImages", "CMafinKernels", "CHNSW", "CZlib"])
        + module(
            "MafinBlackBox",
            ["MafinNumerics", "MafinParquet", "MafinImages", "MafinText", "MafinEncoder"])
        + module("MafinMethod", ["MafinNumerics", "MafinRetrieval", "CMafinKernels"])
        // Processes that train together, by MPI.
        + module("MafinMPI", ["MafinMethod", "CMPI"], goldens: false, tests: ["MafinNumerics"])
        + module(
            "MafinPipeline",
            [
                "MafinNumerics", "MafinImages", "MafinText", "MafinEncoder", "MafinRetrieval", "MafinBlackBox",
                "MafinMethod",
            ])
        // The C interface. Its modules use no network.
        + module(
            "MafinC",
            [
                "CMafin", "MafinNumerics", "MafinText", "MafinEncoder", "MafinRetrieval", "MafinBlackBox",
                "MafinMethod", "MafinPipeline",
            ],
            goldens: false, tests: ["CMafinKernels"])
        + module(
            "MafinComparison",
            ["MafinNumerics", "MafinRetrieval", "MafinBlackBox", "MafinMethod", "MafinPipeline"],
            tests: ["MafinEncoder"])
        + module(
            "MafinProviders",
            [
                "MafinNumerics", "MafinText", "MafinBlackBox", "MafinPipeline", "MafinGeneration", "MafinPostgreSQL",
                "CZlib", "MafinImages",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "TOMLKit", package: "TOMLKit"),
            ])
        // Databases and files that take an artefact's vectors, and databases that vectors are taken from.
        + module(
            "MafinStores",
            [
                "MafinNumerics", "MafinParquet", "MafinBlackBox", "MafinMethod", "MafinPipeline", "MafinProviders",
                "MafinPostgreSQL",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ], tests: ["MafinRetrieval"])
        + module("MafinGeneration", ["MafinNumerics", "MafinRetrieval"])
        + module(
            "MafinReport",
            [
                "MafinNumerics", "MafinImages", "MafinRetrieval", "MafinBlackBox", "MafinMethod", "MafinPipeline",
                "MafinComparison",
            ])
        + module(
            "MafinServer",
            [
                "MafinNumerics", "MafinImages", "MafinText", "MafinEncoder", "MafinRetrieval", "MafinBlackBox",
                "MafinMethod", "MafinPipeline",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            // Compiled into the program, so that the program is one file.
            resources: ["page.html", "page.css", "page.js", "openapi.json"].map { .embedInCode("Page/\($0)") },
            tests: [
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ])
        // The work of the commands, as library calls.
        + module(
            "MafinWorkflows",
            [
                "MafinNumerics", "MafinImages", "MafinEncoder", "MafinRetrieval", "MafinBlackBox", "MafinMethod",
                "MafinPipeline", "MafinComparison", "MafinReport",
                .product(name: "Logging", package: "swift-log"),
            ],
            goldens: false, tests: ["MafinParquet"])
        // The commands that need embedding providers or language models, and the service.
        + module(
            "MafinProviderWorkflows",
            [
                "MafinNumerics", "MafinImages", "MafinEncoder", "MafinRetrieval", "MafinBlackBox", "MafinMethod",
                "MafinPipeline", "MafinProviders", "MafinGeneration", "MafinReport", "MafinServer", "MafinStores",
                "MafinWorkflows",
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            goldens: false)
        // Terminal code that commands share, and the demo.
        + module(
            "MafinCommandLine",
            [
                "MafinNumerics", "MafinImages", "MafinText", "MafinEncoder", "MafinRetrieval", "MafinBlackBox",
                "MafinMethod",
                "MafinPipeline", "MafinComparison", "MafinReport", "MafinWorkflows",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            goldens: false)
        + module(
            "MafinDemo",
            ["MafinCommandLine", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            isProgram: true, goldens: false)
        + module(
            "MafinCLI",
            [
                "MafinNumerics", "MafinParquet", "MafinText", "MafinEncoder", "MafinRetrieval", "MafinBlackBox",
                "MafinMethod", "MafinPipeline", "MafinComparison", "MafinProviders", "MafinGeneration", "MafinReport",
                "MafinServer", "MafinStores", "MafinWorkflows", "MafinProviderWorkflows", "MafinCommandLine",
                "MafinMPI", "MafinImages", "MafinPostgreSQL",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            isProgram: true, goldens: false,
            tests: [
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]),
    swiftLanguageModes: [.v6]
)
