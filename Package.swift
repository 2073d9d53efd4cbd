// swift-tools-version: 6.2

import PackageDescription

/// The compiler settings of every target: Swift 6 mode (strict concurrency), explicit `any`, warnings are errors.
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
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let swiftASN1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let metrics: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// A library. Its folder is its side of the walls: `make check` has rules by folder.
func library(_ name: String, in folder: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(folder)/\(name)", swiftSettings: settings)
}

/// A library in C.
func cLibrary(
    _ name: String, in folder: String, _ dependencies: [Target.Dependency] = [], defines: [CSetting] = []
) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(folder)/\(name)", cSettings: defines)
}

/// What Config/release builds from, for `--version --json`. Other builds do not know it: each commit would compile them
/// again.
let build: [CSetting] = ["COMMIT", "DATE", "COMPILER", "DEPENDENCIES"].compactMap { name in
    Context.environment["ACME_AGENT_BUILD_\(name)"].map { .define("ACME_AGENT_BUILD_\(name)", to: "\"\($0)\"") }
}

/// A program: assembly only.
func program(_ name: String, in folder: String, exclude: [String] = [], _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "Sources/\(folder)/\(name)", exclude: exclude, swiftSettings: settings)
}

/// Tests, in the folder of what they test.
func tests(_ name: String, in folder: String, exclude: [String] = [], _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(folder)/\(name)", exclude: exclude, swiftSettings: settings)
}

/// Only who builds the documentation of the products (`make docs`) resolves the plugin for it.
let documentation: [Package.Dependency] =
    Context.environment["ACME_AGENT_DOCUMENTATION"] == nil
    ? [] : [.package(url: "https://github.com/swiftlang/swift-docc-plugin", exact: "1.5.0")]

// Docs/architecture.md has a picture with the same boxes; `make check` proves it.
let package = Package(
    name: "acme-agent",
    platforms: [.macOS(.v15)],
    products: [
        // Each library comes with the modules whose types its interface mentions.
        .library(name: "AgentClient", targets: ["AgentClient", "AgentInterface", "ACME", "JOSE", "Varlink"]),
        .library(name: "AgentTLS", targets: ["AgentTLS", "AgentClient", "AgentInterface", "ACME", "JOSE"]),
        .library(name: "Varlink", targets: ["Varlink", "StrictJSON"]),
        .library(name: "ACMEClient", targets: ["ACMEClient", "ACME", "JOSE"]),
        .executable(name: "acme-agent", targets: ["acme-agent"]),
        .executable(name: "acme-agentd", targets: ["acme-agentd"]),
        .executable(name: "acme-agent-token", targets: ["acme-agent-token"]),
        .executable(name: "acme-agent-bench", targets: ["acme-agent-bench"]),
    ],
    // Exact versions: what is built is what was tested. An update is a change to this file.
    dependencies: [
        // Commands, options, help and completions of the programs.
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        // DER of CSRs, certificates and PKCS #7.
        .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
        // X.509: the daemon writes CSRs with it, the front end reads chains.
        .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
        // Hashes, HMAC, and the check of every signature against its public key (BoringSSL).
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        // The daemon's log.
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        // The interface of what the daemon counts and measures; the backend is PrometheusMetrics.
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        // Sockets and event loops; HTTP/1 for the http-01 listener.
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        // TLS to the CA and of the tls-alpn-01 listener in the front end, and of servers that link AgentTLS.
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        // HTTPS to the CA, with proxies, in the front end alone.
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
    ] + documentation,
    targets: [
        // Standards: no I/O.
        library("StrictJSON", in: "Standards"),
        library("KeyEncoding", in: "Standards"),
        library("JOSE", in: "Standards", ["KeyEncoding", "StrictJSON", crypto]),
        library("ACME", in: "Standards", ["StrictJSON", "JOSE", crypto]),

        // System: files and system calls that every program needs. Only DurableFile writes, syncs, locks and checks
        // files.
        cLibrary("CLinux", in: "System", defines: build),
        library("BuildInformation", in: "System", ["CLinux"]),
        library("DurableFile", in: "System", ["CLinux"]),
        library("TOML", in: "System"),
        library("ConfigurationFile", in: "System", ["DurableFile", "TOML"]),
        library("PrometheusMetrics", in: "System", [metrics]),

        // Protocols: what crosses the walls.
        library("Varlink", in: "Protocols", ["StrictJSON", nioCore, nioPosix]),
        library("AgentInterface", in: "Protocols", ["StrictJSON", "ACME", "JOSE"]),
        library("PolicyInquiry", in: "Protocols", ["StrictJSON", "AgentInterface", "ACME", argumentParser]),
        library("TokenProtocol", in: "Protocols", ["KeyEncoding"]),

        // Token: the only process that loads a PKCS#11 module.
        .systemLibrary(
            name: "CP11Kit", path: "Sources/Token/CP11Kit", pkgConfig: "p11-kit-1", providers: [.apt(["libp11-kit-dev"])]),
        cLibrary("CPKCS11", in: "Token", ["CP11Kit"]),
        library("PKCS11", in: "Token", ["CPKCS11", "CP11Kit", "DurableFile", "KeyEncoding"]),
        library("TokenHelper", in: "Token", ["KeyEncoding", "TokenProtocol", "PKCS11", "CPKCS11", "CLinux", "DurableFile"]),
        program("acme-agent-token", in: "Token", ["BuildInformation", "TokenHelper"]),

        // Daemon: frame, identity, decision, composition, audit, reply. No network, no PIN, no vendor code.
        library("DaemonLog", in: "Daemon", ["ACME", "CLinux", logging]),
        library("SigningPolicy", in: "Daemon", ["ACME"]),
        library("AuditTrail", in: "Daemon", ["StrictJSON", "JOSE", "ACME", "DurableFile", crypto]),
        library(
            "Keyring", in: "Daemon",
            ["StrictJSON", "DurableFile", "JOSE", "ACME", "TokenProtocol", x509, swiftASN1, crypto, cryptoExtras]),
        library("TokenSupervisor", in: "Daemon", ["TokenProtocol", "ACME", "JOSE", "CLinux", "DaemonLog", nioCore, nioPosix]),
        library(
            "AgentService", in: "Daemon",
            [
                "StrictJSON", "AgentInterface", "Varlink", "DaemonLog", "SigningPolicy", "AuditTrail", "Keyring", "TokenSupervisor",
                "TokenProtocol", "ACME", "JOSE", "BuildInformation", "CLinux", "ConfigurationFile", "DurableFile", "PrometheusMetrics",
                nioCore, nioPosix,
                logging, metrics, crypto,
            ]),
        program(
            "acme-agentd", in: "Daemon",
            ["AgentService", "AgentInterface", "ACME", "BuildInformation", "DaemonLog", "PolicyInquiry", argumentParser, logging]),

        // Clients: what callers link.
        library("AgentClient", in: "Clients", ["StrictJSON", "AgentInterface", "Varlink", "ACME", "JOSE", nioCore]),
        library(
            "AgentTLS", in: "Clients",
            [
                "AgentClient", "AgentInterface", "Varlink", "ACME", "JOSE", "DurableFile", nioCore, nioPosix, nioSSL, x509, swiftASN1,
            ]),

        // Front end: HTTPS, challenges, certificates. No key.
        library(
            "ACMEClient", in: "FrontEnd", ["StrictJSON", "ACME", "JOSE", asyncHTTPClient, nioCore, nioPosix, nioSSL, nioHTTP1]),
        .systemLibrary(
            name: "CLDNS", path: "Sources/FrontEnd/CLDNS", pkgConfig: "ldns", providers: [.apt(["libldns-dev"])]),
        library("DNS", in: "FrontEnd", ["CLDNS", "ACME", "JOSE", "DurableFile", crypto, nioCore, nioPosix]),
        library("CertificateStore", in: "FrontEnd", ["StrictJSON", "DurableFile", "ACME", "JOSE", x509, swiftASN1, crypto, cryptoExtras]),
        library(
            "Issuance", in: "FrontEnd",
            [
                "StrictJSON", "DurableFile", "ACMEClient", "CertificateStore", "DNS", "ACME", "JOSE", "CLinux", nioCore, nioHTTP1,
                nioPosix, nioSSL, nioTLS, x509, swiftASN1, crypto,
            ]),
        library("Report", in: "FrontEnd", ["StrictJSON", "JOSE", "ACME", "AuditTrail", crypto]),
        program(
            "acme-agent", in: "FrontEnd",
            [
                "StrictJSON", "AgentClient", "AgentInterface", "PolicyInquiry", "Issuance", "ACMEClient", "CertificateStore", "DNS",
                "Report", "AuditTrail", "ACME",
                "JOSE", "BuildInformation", "CLinux", "ConfigurationFile", "DurableFile", "PrometheusMetrics", argumentParser, crypto,
                metrics,
            ]),

        // Benchmark: the agent compared with its peers.
        library("Measurement", in: "Benchmark", ["StrictJSON"]),
        cLibrary("CMeasurement", in: "Benchmark"),
        .systemLibrary(
            name: "COpenSSL", path: "Sources/Benchmark/COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        program(
            "acme-agent-bench", in: "Benchmark", exclude: ["Agent/count-allocations.c"],
            [
                "StrictJSON", "JOSE", "ACME", "PKCS11", "DurableFile", "AgentInterface", "AgentService", "Keyring", "ACMEClient",
                "Measurement", "CMeasurement", "COpenSSL", argumentParser, logging, crypto, x509, swiftASN1,
            ]),

        // Tests, in the same folders.
        // A disk that fails on demand.
        .target(name: "FaultyDisk", dependencies: ["DurableFile"], path: "Tests/System/FaultyDisk", swiftSettings: settings),
        // Waits for other programs.
        .target(name: "ProcessWaiting", path: "Tests/System/ProcessWaiting", swiftSettings: settings),
        // Receives datagrams in place of a service manager.
        .target(name: "DatagramSocket", path: "Tests/System/DatagramSocket", swiftSettings: settings),
        tests("DurableFileTests", in: "System", ["DurableFile", "FaultyDisk"]),
        tests("TOMLTests", in: "System", ["TOML"]),
        tests("BuildInformationTests", in: "System", ["BuildInformation"]),
        tests("PrometheusMetricsTests", in: "System", ["PrometheusMetrics", metrics]),
        tests("ConfigurationFileTests", in: "System", ["ConfigurationFile"]),
        tests("StrictJSONTests", in: "Standards", ["StrictJSON"]),
        tests("KeyEncodingTests", in: "Standards", ["KeyEncoding"]),
        tests("JOSETests", in: "Standards", exclude: ["Fixtures"], ["JOSE", "StrictJSON", crypto]),
        // Key names as literals.
        .target(name: "KeyNameLiterals", dependencies: ["ACME"], path: "Tests/Standards/KeyNameLiterals", swiftSettings: settings),
        tests("ACMETests", in: "Standards", ["KeyNameLiterals", "ACME", "JOSE", "StrictJSON"]),
        .executableTarget(
            name: "varlink-certification", dependencies: ["Varlink", "StrictJSON", nioCore, nioPosix],
            path: "Tests/Protocols/VarlinkCertification", exclude: ["run"], swiftSettings: settings),
        // The examples of the products' documentation. Each has only what a program elsewhere would depend on.
        .target(
            name: "VarlinkExample", dependencies: ["Varlink", "StrictJSON", nioCore, nioPosix], path: "Tests/Protocols/VarlinkExample",
            swiftSettings: settings),
        .target(
            name: "AgentClientExample", dependencies: ["AgentClient", "AgentInterface", "ACME"], path: "Tests/Clients/AgentClientExample",
            swiftSettings: settings),
        .target(
            name: "AgentTLSExample", dependencies: ["AgentTLS", nioCore, nioPosix, nioSSL], path: "Tests/Clients/AgentTLSExample",
            swiftSettings: settings),
        .target(
            name: "ACMEClientExample", dependencies: ["ACMEClient", "ACME", "JOSE", crypto], path: "Tests/FrontEnd/ACMEClientExample",
            swiftSettings: settings),
        tests(
            "VarlinkTests", in: "Protocols",
            ["Varlink", "VarlinkExample", "StrictJSON", "varlink-certification", nioCore, nioPosix, nioEmbedded]),
        tests("PKCS11Tests", in: "Token", ["ProcessWaiting", "PKCS11", "CPKCS11", "CP11Kit", crypto]),
        // A token of SoftHSM with faults, and a message of each kind.
        .target(
            name: "TokenTestSupport", dependencies: ["ProcessWaiting", "JOSE", "TokenProtocol", crypto],
            path: "Tests/Token/TokenTestSupport",
            swiftSettings: settings),
        tests("TokenProtocolTests", in: "Protocols", ["TokenTestSupport", "JOSE", "TokenProtocol"]),
        tests(
            "TokenHelperTests", in: "Token",
            [
                "TokenTestSupport", "JOSE", "TokenHelper", "TokenProtocol", "acme-agent-token", "CLinux", "DurableFile", "FaultyDisk",
                crypto, cryptoExtras,
            ]),
        tests(
            "TokenSupervisorTests", in: "Daemon",
            [
                "TokenTestSupport", "LogRecorder", "JOSE", "TokenSupervisor", "TokenProtocol", "acme-agent-token", "CLinux", "DaemonLog",
                nioCore, nioPosix, crypto, logging,
            ]),
        tests("CLinuxTests", in: "System", ["CLinux"]),
        // A socket that answers nothing.
        .target(name: "SilentServer", path: "Tests/Protocols/SilentServer", swiftSettings: settings),
        tests("AgentClientTests", in: "Clients", ["SilentServer", "AgentClient", "Varlink", "ACME", "KeyNameLiterals", nioCore]),
        tests(
            "AgentTLSTests", in: "Clients",
            [
                "ProcessWaiting", "KeyNameLiterals", "acme-agentd", "acme-agent-token", "AgentTLS", "AgentTLSExample", "AgentClient",
                "AgentInterface", "ACME",
                "JOSE", nioCore, nioPosix, nioSSL, x509, swiftASN1, crypto,
            ]),
        tests("AgentInterfaceTests", in: "Protocols", ["AgentInterface", "ACME", "JOSE", "StrictJSON", "KeyNameLiterals"]),
        tests(
            "PolicyInquiryTests", in: "Protocols",
            ["PolicyInquiry", "AgentInterface", "ACME", "StrictJSON", "KeyNameLiterals", argumentParser]),
        // Keeps what is logged.
        .target(name: "LogRecorder", dependencies: ["DaemonLog", logging], path: "Tests/Daemon/LogRecorder", swiftSettings: settings),
        tests("DaemonLogTests", in: "Daemon", ["DatagramSocket", "LogRecorder", "DaemonLog", logging]),
        tests("SigningPolicyTests", in: "Daemon", ["KeyNameLiterals", "SigningPolicy", "ACME"]),
        tests("AuditTrailTests", in: "Daemon", ["KeyNameLiterals", "AuditTrail", "ACME", "DurableFile", "FaultyDisk"]),
        tests(
            "KeyringTests", in: "Daemon",
            [
                "KeyNameLiterals", "Keyring", "SigningPolicy", "DurableFile", "StrictJSON", "JOSE", "ACME", "TokenProtocol", x509,
                swiftASN1, crypto, cryptoExtras,
            ]),
        tests(
            "AgentServiceTests", in: "Daemon",
            [
                "DatagramSocket", "FaultyDisk", "KeyNameLiterals", "LogRecorder", "DurableFile", "ConfigurationFile", "DaemonLog",
                "SigningPolicy",
                "AgentService", "AgentInterface", "AgentClient", "AuditTrail", "TokenSupervisor", "TokenProtocol", "Varlink", "ACME",
                "JOSE", "StrictJSON", crypto, logging, nioCore,
            ]),
        // Software keys, a CA in memory, and Pebble on free ports.
        .target(
            name: "TestSupport",
            dependencies: [
                "ProcessWaiting", "KeyNameLiterals", "Issuance", "DNS", "CertificateStore", "ACMEClient", "ACME", "JOSE", "StrictJSON",
                x509, swiftASN1, crypto, nioCore, nioPosix,
            ],
            path: "Tests/FrontEnd/TestSupport", swiftSettings: settings),
        tests("DNSTests", in: "FrontEnd", ["TestSupport", "DNS", "ACME", "JOSE", nioCore, nioPosix]),
        tests(
            "ACMEClientTests", in: "FrontEnd",
            ["TestSupport", "ACMEClient", "ACMEClientExample", "ACME", "JOSE", "StrictJSON", crypto, nioHTTP1, nioSSL]),
        tests(
            "CertificateStoreTests", in: "FrontEnd",
            ["TestSupport", "CertificateStore", "DurableFile", "FaultyDisk", "ACME", "JOSE", x509, swiftASN1, crypto]),
        tests(
            "IssuanceTests", in: "FrontEnd",
            [
                "ProcessWaiting", "TestSupport", "Issuance", "CertificateStore", "ACMEClient", "DNS", "ACME", "JOSE", "StrictJSON", nioCore,
                nioHTTP1, nioPosix, nioSSL, nioTLS, nioEmbedded, x509, swiftASN1, crypto,
            ]),
        tests("ReportTests", in: "FrontEnd", ["ProcessWaiting", "Report", "AuditTrail", "StrictJSON", "ACME", crypto]),
        tests(
            "CommandLineTests", in: "FrontEnd",
            [
                "DatagramSocket", "ProcessWaiting", "SilentServer", "TestSupport", "acme-agent", "StrictJSON", "ConfigurationFile",
                "DurableFile", "JOSE",
                "ACME", "AuditTrail",
                "AgentInterface",
                "ACMEClient", "CertificateStore", "Issuance", "Report", argumentParser, crypto,
            ]),
        // Reads what the agent signs, with nothing of the agent's own code.
        .executableTarget(
            name: "verifier", dependencies: ["COpenSSL"], path: "Tests/Verifier", exclude: ["worst-cases.json"], swiftSettings: settings),
        // Readers of untrusted bytes, each with what must be true of it, and the program that gives them inputs.
        .target(name: "CFuzzer", path: "Tests/Fuzz/CFuzzer"),
        // The provider's reader, which is no target of its own: links to its files.
        .target(name: "CProviderMessage", path: "Tests/Fuzz/CProviderMessage"),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "CFuzzer", "CProviderMessage", "TestSupport", "TokenTestSupport", "KeyNameLiterals", "StrictJSON", "JOSE", "ACME", "TOML",
                "ConfigurationFile", "Varlink", "AgentInterface", "TokenProtocol", "PKCS11", "CP11Kit", "SigningPolicy", "AuditTrail",
                "Keyring",
                "AgentService", "ACMEClient", "DNS", "CertificateStore", "Issuance", crypto, nioCore, swiftASN1, x509,
            ],
            path: "Tests/Fuzz/FuzzTargets", swiftSettings: settings),
        .executableTarget(
            name: "fuzz", dependencies: ["CFuzzer", "FuzzTargets", argumentParser], path: "Tests/Fuzz/fuzz", swiftSettings: settings),
        tests("FuzzTests", in: "Fuzz", ["CFuzzer", "FuzzTargets"]),
        // Faults of the token under a running daemon.
        .executableTarget(
            name: "token-faults",
            dependencies: [
                "TokenTestSupport", "ProcessWaiting", "KeyNameLiterals", "AgentClient", "AgentInterface", "PKCS11", "ACME", "JOSE", crypto,
            ],
            path: "Tests/TokenFaults", swiftSettings: settings),
        tests("MeasurementTests", in: "Benchmark", ["Measurement", "StrictJSON"]),
        tests(
            "EndToEndTests", in: "EndToEnd",
            [
                "DatagramSocket", "ProcessWaiting", "KeyNameLiterals", "acme-agent", "acme-agentd", "acme-agent-token", "AgentClient",
                "AgentClientExample", "AgentInterface", "ACME", "JOSE", x509, crypto,
            ]),
    ]
)
