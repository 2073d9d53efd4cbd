// swift-tools-version: 6.2

import PackageDescription

/// One set of compiler settings for every target: Swift 6 mode (strict concurrency), `any` spelled out, a warning is an error.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let swiftASN1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let toml: Target.Dependency = .product(name: "TOMLKit", package: "TOMLKit")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

// The targets stand in the order in which a request walks through them; Docs/architecture.md has the picture, `make check` proves it.
let package = Package(
    name: "acme-agent",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "AgentClient", targets: ["AgentClient"]),
        .library(name: "Varlink", targets: ["Varlink"]),
        .executable(name: "acme-agent", targets: ["acme-agent"]),
        .executable(name: "acme-agentd", targets: ["acme-agentd"]),
        .executable(name: "acme-agent-token", targets: ["acme-agent-token"]),
        .executable(name: "acme-agent-bench", targets: ["acme-agent-bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        // Standards, without I/O.
        .target(name: "StrictJSON", swiftSettings: settings),
        .target(name: "DurableFile", swiftSettings: settings),
        .target(name: "ConfigurationFile", dependencies: ["DurableFile", toml], swiftSettings: settings),
        .target(name: "JOSE", dependencies: ["StrictJSON", crypto], swiftSettings: settings),
        .target(name: "ACME", dependencies: ["StrictJSON", "JOSE", crypto], swiftSettings: settings),

        // The token, and the process that alone touches it.
        .systemLibrary(name: "CP11Kit", pkgConfig: "p11-kit-1", providers: [.apt(["libp11-kit-dev"])]),
        .target(name: "CPKCS11", dependencies: ["CP11Kit"]),
        .target(name: "CLinux"),
        .target(name: "PKCS11", dependencies: ["CPKCS11", "CP11Kit"], swiftSettings: settings),
        .target(
            name: "TokenProtocol", dependencies: ["JOSE"], swiftSettings: settings),
        .target(
            name: "TokenHelper", dependencies: ["JOSE", "TokenProtocol", "PKCS11", "CPKCS11", "CLinux"], swiftSettings: settings),
        .target(
            name: "TokenSupervisor", dependencies: ["TokenProtocol", "JOSE", "CLinux", nioCore, nioPosix, logging],
            swiftSettings: settings),

        // The daemon: frame, identity, decision, audit, composition, reply.
        .target(name: "Varlink", dependencies: ["StrictJSON", nioCore, nioPosix], swiftSettings: settings),
        .target(name: "AgentInterface", dependencies: ["StrictJSON", "ACME", "JOSE"], swiftSettings: settings),
        .target(name: "SigningPolicy", dependencies: ["ACME"], swiftSettings: settings),
        .target(name: "AuditTrail", dependencies: ["StrictJSON", crypto], swiftSettings: settings),
        .target(
            name: "Keyring",
            dependencies: ["StrictJSON", "DurableFile", "JOSE", "ACME", "TokenProtocol", x509, swiftASN1, crypto, cryptoExtras],
            swiftSettings: settings),
        .target(
            name: "AgentService",
            dependencies: [
                "StrictJSON", "AgentInterface", "Varlink", "SigningPolicy", "AuditTrail", "Keyring", "TokenSupervisor", "TokenProtocol",
                "ACME", "JOSE",
                "CLinux", "ConfigurationFile", "DurableFile", nioCore, nioPosix, logging,
            ], swiftSettings: settings),

        // What callers use.
        .target(
            name: "AgentClient", dependencies: ["StrictJSON", "AgentInterface", "Varlink", "ACME", "JOSE", nioCore], swiftSettings: settings
        ),

        // The front end: plumbing, store, flow.
        .target(
            name: "ACMEClient",
            dependencies: ["StrictJSON", "ACME", "JOSE", asyncHTTPClient, nioCore, nioPosix, nioSSL, nioHTTP1], swiftSettings: settings),
        .target(
            name: "CertificateStore", dependencies: ["StrictJSON", "ACME", "JOSE", x509, swiftASN1, crypto], swiftSettings: settings),
        .target(
            name: "Issuance",
            dependencies: ["StrictJSON", "ACMEClient", "CertificateStore", "ACME", "JOSE", "CLinux", nioCore, nioPosix, x509, crypto],
            swiftSettings: settings),

        // The three programs: assembly only.
        .executableTarget(name: "acme-agent-token", dependencies: ["TokenHelper"], swiftSettings: settings),
        .executableTarget(name: "acme-agentd", dependencies: ["AgentService", argumentParser, logging], swiftSettings: settings),
        .executableTarget(
            name: "acme-agent",
            dependencies: [
                "StrictJSON", "AgentClient", "AgentInterface", "Issuance", "ACMEClient", "CertificateStore", "AuditTrail", "ACME", "JOSE",
                "ConfigurationFile", "DurableFile", argumentParser, crypto,
            ], swiftSettings: settings),

        // The benchmark: the agent beside its peers.
        .target(name: "Measurement", dependencies: ["StrictJSON"], swiftSettings: settings),
        .target(name: "CMeasurement"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .executableTarget(
            name: "acme-agent-bench",
            dependencies: [
                "StrictJSON", "JOSE", "ACME", "PKCS11", "DurableFile", "AgentInterface", "AgentService", "Keyring", "ACMEClient",
                "Measurement", "CMeasurement", "COpenSSL", argumentParser, logging, crypto, x509, swiftASN1,
            ], exclude: ["Agent/count-allocations.c"], swiftSettings: settings),

        // Tests.
        .executableTarget(
            name: "varlink-certification", dependencies: ["Varlink", "StrictJSON", nioCore, nioPosix], path: "Tests/VarlinkCertification",
            exclude: ["run"],
            swiftSettings: settings),
        .testTarget(name: "StrictJSONTests", dependencies: ["StrictJSON"], swiftSettings: settings),
        .testTarget(name: "JOSETests", dependencies: ["JOSE", "StrictJSON", crypto], exclude: ["Fixtures"], swiftSettings: settings),
        .testTarget(name: "ACMETests", dependencies: ["ACME", "JOSE", "StrictJSON"], swiftSettings: settings),
        .testTarget(name: "PKCS11Tests", dependencies: ["PKCS11", "CPKCS11", "CP11Kit", crypto], swiftSettings: settings),
        .testTarget(
            name: "TokenTests",
            dependencies: [
                "JOSE", "TokenHelper", "TokenProtocol", "TokenSupervisor", "acme-agent-token", "CLinux", nioCore, nioPosix, crypto,
                cryptoExtras, logging,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VarlinkTests", dependencies: ["Varlink", "StrictJSON", "varlink-certification", nioCore, nioPosix, nioEmbedded],
            swiftSettings: settings),
        .testTarget(name: "SigningPolicyTests", dependencies: ["SigningPolicy", "ACME"], swiftSettings: settings),
        .testTarget(name: "MeasurementTests", dependencies: ["Measurement", "StrictJSON"], swiftSettings: settings),
        .testTarget(name: "AuditTrailTests", dependencies: ["AuditTrail"], swiftSettings: settings),
        .testTarget(
            name: "CertificateStoreTests", dependencies: ["CertificateStore", "ACME", "JOSE", x509, swiftASN1, crypto],
            swiftSettings: settings),
        .testTarget(
            name: "KeyringTests",
            dependencies: ["Keyring", "DurableFile", "StrictJSON", "JOSE", "ACME", "TokenProtocol", x509, swiftASN1, crypto, cryptoExtras],
            swiftSettings: settings),
        .testTarget(
            name: "AgentServiceTests",
            dependencies: [
                "ConfigurationFile", "SigningPolicy", "AgentService", "AgentInterface", "AgentClient", "AuditTrail", "TokenSupervisor",
                "TokenProtocol", "Varlink", "ACME",
                "JOSE", crypto,
                logging,
            ],
            swiftSettings: settings),
        // Software keys, a CA in memory, and Pebble on free ports.
        .target(
            name: "TestSupport",
            dependencies: ["Issuance", "CertificateStore", "ACMEClient", "ACME", "JOSE", "StrictJSON", x509, swiftASN1, crypto],
            path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(
            name: "ACMEClientTests",
            dependencies: ["TestSupport", "ACMEClient", "ACME", "JOSE", "StrictJSON", crypto], swiftSettings: settings),
        .testTarget(
            name: "IssuanceTests",
            dependencies: [
                "TestSupport", "Issuance", "CertificateStore", "ACMEClient", "ACME", "JOSE", "StrictJSON", nioCore, nioPosix, x509, crypto,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "CommandLineTests",
            dependencies: [
                "acme-agent", "StrictJSON", "ConfigurationFile", "DurableFile", "JOSE", "ACME", "AuditTrail", "AgentInterface",
                "ACMEClient",
                "CertificateStore", "Issuance", argumentParser,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["acme-agent", "acme-agentd", "acme-agent-token", "AgentClient", "AgentInterface", "ACME", "JOSE", x509, crypto],
            swiftSettings: settings),
    ]
)
