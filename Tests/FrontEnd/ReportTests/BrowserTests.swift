import Foundation
import Testing

@testable import Report

/// The page in a browser, where it is read. `ACME_AGENT_REPORT_IMAGES=FOLDER` keeps the pages and their images for a
/// person to look at.
@Suite(.serialized) struct BrowserTests {
    private static let images = ProcessInfo.processInfo.environment["ACME_AGENT_REPORT_IMAGES"]

    private func written(_ count: Int, to folder: String) throws -> String {
        let file = "\(folder)/report-\(count).html"
        try Data(ReportPage.html(SampleFacts.facts(certificates: count))).write(to: URL(fileURLWithPath: file))
        return file
    }

    @Test(.enabled(if: Browser.program != nil, "needs chromium")) func thePageIsShownAndPrinted() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/report-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let browser = try Browser(try #require(Browser.program))
        defer { browser.end() }
        for count in [3, 300] { try show(count, in: browser, folder: Self.images ?? folder) }
    }

    private func show(_ count: Int, in browser: Browser, folder: String) throws {
        let file = try written(count, to: folder)
        for width in [400, 1_600] {
            for isDark in [false, true] {
                try browser.show(file, Browser.View(width: width, isDark: isDark))
                // Tables scroll within themselves; the page does not.
                #expect(try browser.value("document.documentElement.scrollWidth") as? Int == width)
                #expect(try browser.value("innerWidth") as? Int == width)
                // The style sheet counts, so its hash is right.
                #expect(try browser.value("getComputedStyle(document.body).fontVariantNumeric") as? String == "tabular-nums")
                let paper = isDark ? "rgb(21, 24, 27)" : "rgb(252, 252, 250)"
                #expect(try browser.value("getComputedStyle(document.body).backgroundColor") as? String == paper)
                if let images = Self.images {
                    try browser.image().write(to: URL(fileURLWithPath: "\(images)/report-\(count)-\(width)\(isDark ? "-dark" : "").png"))
                }
                expectQuiet(browser, file)
            }
        }
        try names(browser)
        // Bars are drawn: a pattern that is not found leaves them empty.
        #expect((try browser.value("document.querySelectorAll('td svg rect, figure svg rect').length") as? Int ?? 0) > 100)
        #expect(try browser.value("document.querySelectorAll('script, link, img, iframe, object, [style], [onload]').length") as? Int == 0)

        try browser.show(file, Browser.View(width: 794, isPrinted: true))
        let paper = try browser.paper()
        #expect(paper.starts(with: Data("%PDF-".utf8)))
        let pages = pages(of: paper)
        #expect(pages >= (count > 100 ? 5 : 2) && pages < count + 20, "\(pages)")
        if let images = Self.images { try paper.write(to: URL(fileURLWithPath: "\(images)/report-\(count).pdf")) }
        expectQuiet(browser, file)
    }

    /// Text stays text.
    private func names(_ browser: Browser) throws {
        let cells = "Array.from(document.querySelectorAll('#certificates tbody th'), cell => cell.textContent)"
        let texts = try #require(try browser.value(cells) as? [String])
        #expect(texts.contains(SampleFacts.markup))
        #expect(texts.contains("xn--U+202Egro.elpmaxe"))
        #expect(try browser.value("document.scripts.length") as? Int == 0)
    }

    /// Nothing was asked for but the page, nothing was refused by its policy, and nobody complains.
    private func expectQuiet(_ browser: Browser, _ file: String) {
        let requests = browser.events.filter { $0.method == "Network.requestWillBeSent" }
            .compactMap { ($0.parameters["request"] as? [String: Any])?["url"] as? String }
        #expect(requests == [URL(fileURLWithPath: file).absoluteString])
        let complaints = browser.events.filter {
            ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Audits.issueAdded"].contains($0.method)
        }
        #expect(complaints.isEmpty, "\(complaints)")
    }

    private func pages(of paper: Data) -> Int {
        String(decoding: paper, as: UTF8.self).components(separatedBy: "/Type /Page").dropFirst().count { !$0.hasPrefix("s") }
    }

    /// The test notices what it is there to notice.
    @Test(.enabled(if: Browser.program != nil, "needs chromium")) func aBrokenPageIsNoticed() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/report-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try written(3, to: folder)
        var text = try String(contentsOfFile: file, encoding: .utf8)
        // Another style sheet than the one that the policy allows, a script, and an image from elsewhere.
        text = text.replacingOccurrences(of: "<style>", with: "<style> ")
        text = text.replacingOccurrences(
            of: "</main>", with: "<script>document.title='run'</script><img src='http://127.0.0.1:9/x'></main>")
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let browser = try Browser(try #require(Browser.program))
        defer { browser.end() }
        try browser.show(file, Browser.View(width: 400))
        #expect(try browser.value("getComputedStyle(document.body).fontVariantNumeric") as? String == "normal")
        #expect(try browser.value("document.title") as? String != "run")
        #expect(browser.events.count { $0.method == "Log.entryAdded" || $0.method == "Audits.issueAdded" } >= 3)
    }
}
