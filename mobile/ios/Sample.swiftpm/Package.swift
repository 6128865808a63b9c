// swift-tools-version: 6.0
import AppleProductTypes
import PackageDescription

// Opens in Xcode, without a project file.
let package = Package(
    name: "FieldscoreSample",
    platforms: [.iOS(.v16)],
    products: [
        .iOSApplication(
            name: "Fieldscore Sample",
            targets: ["FieldscoreSample"],
            bundleIdentifier: "org.fieldscore.sample",
            displayVersion: "0.1",
            bundleVersion: "1",
            supportedDeviceFamilies: [.pad, .phone],
            supportedInterfaceOrientations: [.portrait, .landscapeLeft, .landscapeRight]
        )
    ],
    dependencies: [.package(path: "..")],
    targets: [
        .executableTarget(
            name: "FieldscoreSample",
            dependencies: [.product(name: "Fieldscore", package: "ios")],
            path: "Sources",
            swiftSettings: [.swiftLanguageMode(.v5)]
        )
    ]
)
