import Foundation
import Testing

@testable import MafinReport

/// WCAG 2.2: 1.4.3 (texts, 4.5 : 1) and 1.4.11 (marks, 3 : 1), computed from the colours.
@Suite struct ContrastTests {
    struct Color {
        var red: Double
        var green: Double
        var blue: Double

        init(_ hexadecimal: String) throws {
            let value = try #require(Int(hexadecimal.dropFirst(), radix: 16))
            try #require(hexadecimal.count == 7 && hexadecimal.hasPrefix("#"))
            red = Double(value >> 16) / 255
            green = Double(value >> 8 & 255) / 255
            blue = Double(value & 255) / 255
        }

        /// Relative luminance, as WCAG defines it.
        var luminance: Double {
            func linear(_ value: Double) -> Double {
                value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
            }
            return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
        }

        func contrast(_ other: Color) -> Double {
            let (high, low) = (max(luminance, other.luminance), min(luminance, other.luminance))
            return (high + 0.05) / (low + 0.05)
        }

        /// `color-mix(in srgb, self share, ground)`.
        func mixed(_ share: Double, over ground: Color) -> Color {
            var color = self
            color.red = red * share + ground.red * (1 - share)
            color.green = green * share + ground.green * (1 - share)
            color.blue = blue * share + ground.blue * (1 - share)
            return color
        }
    }

    @Test func theFormulaIsWCAGs() throws {
        #expect(abs(try Color("#ffffff").contrast(Color("#000000")) - 21) < 1e-9)
        // Values of webaim.org's contrast checker.
        #expect(abs(try Color("#777777").contrast(Color("#ffffff")) - 4.48) < 0.005)
    }

    @Test(arguments: [PlotTheme.light, PlotTheme.dark])
    func colorsReachTheirContrast(_ palette: PlotPalette) throws {
        let grounds = [try Color(palette.page), try Color(palette.panel)]
        for ground in grounds {
            for text in [palette.ink, palette.muted, palette.accent, palette.loss] {
                #expect(try Color(text).contrast(ground) >= 4.5, "\(text) on \(ground)")
            }
        }
        // Names at the ends of lines have the lines' colours.
        for text in palette.series { #expect(try Color(text).contrast(grounds[0]) >= 4.5, "\(text)") }
        for mark in [palette.blackBox, palette.neutral] {
            #expect(try Color(mark).contrast(grounds[0]) >= 3, "\(mark)")
        }
        // The two parts of a bar are adjacent.
        #expect(try Color(palette.blackBox).contrast(Color(palette.accent)) >= 1.4)
    }

    @Test(arguments: [PlotTheme.light, PlotTheme.dark])
    func textIsLegibleOnTheStrongestTint(_ palette: PlotPalette) throws {
        for tint in [palette.accent, palette.loss] {
            let ground = try Color(tint).mixed(PageStyle.strongestTint, over: Color(palette.page))
            #expect(try Color(palette.ink).contrast(ground) >= 4.5)
        }
    }
}
