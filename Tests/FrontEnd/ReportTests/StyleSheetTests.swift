import Crypto
import Foundation
import Testing

@testable import Report

@Suite struct StyleSheetTests {
    @Test func thePolicyAllowsTheStyleSheetAlone() throws {
        let page = try DocumentReader(ReportPage.html(SampleFacts.facts(certificates: 3)))
        let hash = Data(SHA256.hash(data: Data(page.style.utf8))).base64EncodedString()
        #expect(
            page.values["meta content"]?.first
                == "default-src 'none'; style-src 'sha256-\(hash)'; base-uri 'none'; form-action 'none'")
        #expect(page.structure.filter { $0.hasPrefix("style") } == ["style"])
        // What a style sheet could load.
        for word in ["@import", "http", "src:", "expression", "</"] { #expect(!page.style.contains(word), "\(word)") }
        let addresses = page.style.components(separatedBy: "url(").dropFirst()
        #expect(!addresses.isEmpty && addresses.allSatisfy { $0.hasPrefix("#") })
    }

    @Test func theStyleSheetKnowsEveryClass() {
        for name in Class.allCases where name != .grid && name != .mark {
            #expect(StyleSheet.text.contains(".\(name.rawValue)"), "\(name)")
        }
        for anchor in Anchor.patterns { #expect(StyleSheet.text.contains("url(#\(anchor.rawValue))")) }
    }

    /// WCAG 2.2, 1.4.3 and 1.4.11, on a light screen, a dark one and paper.
    @Test func contrastsSuffice() throws {
        let blocks = StyleSheet.text.components(separatedBy: ":root {").dropFirst()
        try #require(blocks.count == 3)
        for block in blocks {
            var colours: [String: Double] = [:]
            for part in block.prefix(while: { $0 != "}" }).split(separator: ";") {
                let pair = part.split(separator: ":").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
                guard pair.count == 2, pair[1].hasPrefix("#"), let value = UInt32(pair[1].dropFirst(), radix: 16) else { continue }
                colours[pair[0]] = Self.luminance(value)
            }
            let paper = try #require(colours["--paper"])
            func contrast(_ name: String) throws -> Double {
                let other = try #require(colours[name], "\(name)")
                return (max(paper, other) + 0.05) / (min(paper, other) + 0.05)
            }
            for name in ["--ink", "--muted", "--alarm", "--notice", "--link"] { #expect(try contrast(name) >= 4.5, "\(name)") }
            for number in 1...6 { #expect(try contrast("--fill\(number)") >= 3, "\(number)") }
        }
    }

    /// Relative luminance of sRGB.
    private static func luminance(_ colour: UInt32) -> Double {
        func linear(_ shift: UInt32) -> Double {
            let value = Double(colour >> shift & 0xFF) / 255
            return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
        }
        return 0.2126 * linear(16) + 0.7152 * linear(8) + 0.0722 * linear(0)
    }
}
