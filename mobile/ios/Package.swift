// swift-tools-version: 6.0
import PackageDescription

// What Swift calls: the XCFramework on Apple's systems, the shared library on Linux, where the tests run
// too. `cargo xtask ios` makes both, and the generated sources.
#if os(Linux)
let ffi: Target = .systemLibrary(name: "FieldscoreFFI", path: "Sources/FieldscoreFFI")
#else
let ffi: Target = .binaryTarget(name: "FieldscoreFFI", path: "FieldscoreFFI.xcframework")
#endif

let package = Package(
    name: "Fieldscore",
    platforms: [.iOS(.v15)],
    products: [.library(name: "Fieldscore", targets: ["Fieldscore"])],
    targets: [
        ffi,
        // Nobody is to use the generated names: they are not part of the promise.
        .target(
            name: "FieldscoreGenerated",
            dependencies: ["FieldscoreFFI"],
            swiftSettings: [.swiftLanguageMode(.v5)]
        ),
        .target(
            name: "Fieldscore",
            dependencies: ["FieldscoreGenerated"],
            resources: [.copy("PrivacyInfo.xcprivacy")]
        ),
        // The system's own names for a process's memory are not of Swift 6.
        .testTarget(
            name: "FieldscoreTests",
            dependencies: ["Fieldscore", "FieldscoreGenerated"],
            swiftSettings: [.swiftLanguageMode(.v5)]
        ),
    ]
)
