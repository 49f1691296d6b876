"""A bar chart of ratios as SVG, without a library."""
from html import escape


def chart(rows, title):
    """One bar for each row; a line where its needed value lies. The axis is linear from 0."""
    left, width, height, top = 430, 420, 22, 56
    most = max([row["value"] for row in rows] + [row["needed"] or 0 for row in rows]) * 1.05 or 1
    x = lambda value: left + width * value / most
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{top + height * len(rows) + 30}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="20" font-size="14">cloze and its peers: ratios of one run</text><text x="10" y="40" fill="#555">{escape(title)}</text>']
    for i, row in enumerate(rows):
        y = top + i * height
        colour = "#888" if row["met"] is None else "#3a7d44" if row["met"] else "#c0504d"
        out.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(row["name"])}</text>')
        out.append(f'<rect x="{left}" y="{y + 3}" width="{max(1, x(row["value"]) - left):.1f}" height="{height - 8}" fill="{colour}"/>')
        if row["needed"] is not None:
            out.append(f'<line x1="{x(row["needed"]):.1f}" x2="{x(row["needed"]):.1f}" y1="{y}" y2="{y + height - 2}" stroke="black" stroke-width="1.5"/>')
        out.append(f'<text x="{x(max(row["value"], row["needed"] or 0)) + 5:.1f}" y="{y + 14}">{row["value"]:.2f}</text>')
    out.append(f'<line x1="{x(1):.1f}" x2="{x(1):.1f}" y1="{top}" y2="{top + height * len(rows)}" stroke="#888" stroke-dasharray="3 3"/>')
    out.append(f'<text x="10" y="{top + height * len(rows) + 20}" fill="#555">black lines: what is needed; dashed: 1; of memory, less is better</text></svg>')
    return "\n".join(out) + "\n"
