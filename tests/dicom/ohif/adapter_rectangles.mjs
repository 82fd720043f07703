// What OHIF makes of structured reports: each goes through the adapter of Cornerstone3D, and the rectangles that come out
// are brought back to image coordinates by Cornerstone3D's own function.
//
//   node bundle.cjs images.json      [{report, rows, columns, spacing: [rows, columns], uid}, ...] -> JSON on stdout
import fs from 'node:fs';
import { adaptersSR } from '@cornerstonejs/adapters';
import { metaData, utilities } from '@cornerstonejs/core';
import dcmjs from 'dcmjs';

const { DicomMessage, DicomMetaDictionary } = dcmjs.data;
const { MeasurementReport } = adaptersSR.Cornerstone3D;
const images = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const planes = new Map();
metaData.addProvider((type, imageId) => (type === 'imagePlaneModule' ? planes.get(imageId) : undefined), 1);
// the adapter says on the console what it passes over; stdout is for the result alone
for (const stream of ['log', 'info', 'debug', 'warn']) console[stream] = (...words) => console.error(...words);

const list = (value) => (Array.isArray(value) ? value : value === undefined ? [] : [value]);
const named = (items, name) => list(items).find((item) => list(item.ConceptNameCodeSequence)[0]?.CodeMeaning === name);

function readReport(path) {
  const file = fs.readFileSync(path);
  const read = DicomMessage.readFile(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
  return DicomMetaDictionary.naturalizeDataset(read.dict);
}

function numbersByTracking(report) {
  const measurements = named(report.ContentSequence, 'Imaging Measurements');
  const numbers = {};
  for (const group of list(measurements?.ContentSequence)) {
    const uid = named(group.ContentSequence, 'Tracking Unique Identifier')?.UID;
    numbers[uid] = list(group.ContentSequence)
      .filter((item) => item.ValueType === 'NUM')
      .map((item) => [
        list(item.ConceptNameCodeSequence)[0].CodeMeaning,
        Number(list(item.MeasuredValueSequence)[0].NumericValue),
      ]);
  }
  return numbers;
}

const results = images.map((image) => {
  const imageId = `image:${image.uid}`;
  const [rowPixelSpacing, columnPixelSpacing] = image.spacing;
  planes.set(imageId, {
    rows: image.rows, columns: image.columns, rowPixelSpacing, columnPixelSpacing,
    rowCosines: [1, 0, 0], columnCosines: [0, 1, 0], imagePositionPatient: [0, 0, 0],
    imageOrientationPatient: [1, 0, 0, 0, 1, 0], usingDefaultValues: true,
  });
  const report = readReport(image.report);
  const numbers = numbersByTracking(report);
  const images = { [image.uid]: imageId, [`${image.uid}:1`]: imageId };
  const tools = MeasurementReport.generateToolState(report, images, metaData, {});
  return Object.entries(tools).flatMap(([tool, found]) =>
    found.map((state) => ({
      tool,
      points: state.annotation.data.handles.points.map((point) =>
        Array.from(utilities.worldToImageCoords(imageId, point)),
      ),
      label: state.annotation.data.label,
      finding: state.finding?.CodeMeaning,
      numbers: numbers[state.TrackingUniqueIdentifier],
    })),
  );
});
process.stdout.write(JSON.stringify(results));
